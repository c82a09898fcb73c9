namespace Ambient.Benchmarks.SideBySide;

/// <summary>What is served behind every proxy: nginx (1 KB answers, one big file) and two iperf3 servers.</summary>
internal static class Backends
{
    internal const int Http = 8080;
    internal const int Bulk = 5201;

    /// <summary>The same, on ports that nothing redirects.</summary>
    internal const int PlainHttp = 8081;

    /// <summary>The same in HTTP/2 with prior knowledge.</summary>
    internal const int Http2 = 8082;

    /// <summary>Size of <c>/big</c>.</summary>
    internal const int BigBytes = 100_000_000;

    /// <summary>Size of <c>/mega</c>.</summary>
    internal const int MegaBytes = 1_000_000;

    internal static async Task<List<BenchProcess>> StartAsync(BenchNetwork network, string folder, CancellationToken cancellationToken)
    {
        var site = Path.Combine(folder, "site");
        Directory.CreateDirectory(site);
        await FileAsync(Path.Combine(site, "big"), BigBytes, cancellationToken);
        await FileAsync(Path.Combine(site, "mega"), MegaBytes, cancellationToken);

        // Its worker runs as another user, who must reach the file.
        Open(folder);
        Open(site);
        await File.WriteAllTextAsync(Path.Combine(folder, "nginx.conf"), Configuration(folder, site), cancellationToken);
        var nginx = BenchProcess.Start(network.Server, "nginx", folder, null, "nginx", "-e", Path.Combine(folder, "nginx.err"), "-c", Path.Combine(folder, "nginx.conf"));
        var iperf = BenchProcess.Start(network.Server, "iperf3", folder, null, "iperf3", "-s", "-p", $"{Bulk}");
        List<BenchProcess> started = [nginx, iperf];
        await nginx.ReadyAsync(
            () => Shell.RunAsync($"ip netns exec {network.Server} curl -sf -o /dev/null http://{BenchNetwork.ServerAddress}:{PlainHttp}/", cancellationToken), cancellationToken);
        return started;
    }

    /// <summary>Makes a file of zeros and reads it once: the kernel fills a hole as it is first read, and the first download would wait for that.</summary>
    private static async Task FileAsync(string path, int length, CancellationToken cancellationToken)
    {
        await using var file = File.Create(path);
        file.SetLength(length);
        await file.CopyToAsync(Stream.Null, cancellationToken);
    }

    private static string Configuration(string folder, string site) => $$"""
        worker_processes 1;
        worker_rlimit_nofile 40000;
        daemon off;
        pid {{folder}}/nginx.pid;
        error_log {{folder}}/nginx.err;
        events { worker_connections 20000; }
        http {
          access_log off;
          tcp_nodelay on;
          sendfile on;
          keepalive_timeout 600s;
          keepalive_requests 1000000000;
          client_body_temp_path {{folder}}/nginx-body; proxy_temp_path {{folder}}/nginx-proxy; fastcgi_temp_path {{folder}}/nginx-fastcgi;
          uwsgi_temp_path {{folder}}/nginx-uwsgi; scgi_temp_path {{folder}}/nginx-scgi;
          server {
            listen {{Http}} backlog=4096;
            listen {{PlainHttp}} backlog=4096;
            listen {{Http2}} http2 backlog=4096;
            root {{site}};
            client_max_body_size 4m;
            location = / { default_type text/plain; return 200 "{{new string('a', 1024)}}"; }
            # Answers once it has the whole body; what only answers leaves it unread, and whoever sent it has to begin anew.
            location /upload { client_body_buffer_size 2m; proxy_pass http://127.0.0.1:{{PlainHttp}}/api/; }
            location /api/ { default_type text/plain; return 200 "{{new string('a', 1024)}}"; }
          }
        }
        """;

    private static void Open(string folder)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        }
    }
}
