# Runs a command as Kubernetes runs a container of the pod that istiod makes: a root of its own that is read-only but for what is mounted,
# user 1337, no capabilities. Called in the pod's network namespace: pod.sh ROOT FILES APP DOTNET COMMAND...
set -e
root=$1; files=$2; app=$3; dotnet=$4; shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=0755 pod "$root"
cd "$root"
mkdir -p usr proc dev app dotnet etc/ssl etc/istio/proxy var/lib/istio/data var/run/secrets/workload-spiffe-uds
for link in bin sbin lib lib64; do
  if [ -L /$link ]; then cp -d /$link .; elif [ -d /$link ]; then mkdir $link && mount --bind /$link $link; fi
done
mount --bind /usr usr
mount --bind "$app" app
mount --bind "$dotnet" dotnet
if [ -d /etc/ssl ]; then mount --bind /etc/ssl etc/ssl; fi
mount --rbind /dev dev
mount -t proc proc proc || mount --rbind /proc proc
cp -r "$files"/. .
for folder in etc/istio/proxy var/lib/istio/data var/run/secrets/workload-spiffe-uds; do mount -t tmpfs -o mode=0777 writable $folder; done
for folder in usr app dotnet; do mount -o remount,ro,bind $folder; done
mount -o remount,ro pod "$root"
exec chroot "$root" /usr/bin/setpriv --reuid 1337 --regid 1337 --clear-groups --bounding-set=-all --no-new-privs -- "$@"
