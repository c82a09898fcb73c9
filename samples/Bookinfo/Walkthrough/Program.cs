// `./build.sh demo`: Istio's ambient walkthrough with Bookinfo, on one machine. Real processes, real TLS, real HTTP/2
// CONNECT, and policies read from Kubernetes YAML. Exit code 0 only when every step passed; 2 when it could not begin.
using System.Runtime.InteropServices;
using Ambient.Samples.Bookinfo.Walkthrough;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;

if (WalkthroughOptions.Parse(args, out var problem) is not { } options)
{
    Console.Error.WriteLine($"walkthrough: {problem}\n\n{WalkthroughOptions.Usage}");
    return 2;
}

// Ctrl-C and a polite kill both end in the same orderly way: what was started is stopped, whatever step it is.
ProcessSignals.HearInterrupts();
using var stopping = new CancellationTokenSource();
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

return await Demo.RunAsync(options, stopping.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stopping.Cancel();
}
