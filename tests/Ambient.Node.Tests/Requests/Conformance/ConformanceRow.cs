using System.Globalization;

namespace Ambient.Node.Tests.Requests.Conformance;

/// <summary>
/// A request and what is expected of it, read from one line. Before the method: <c>xN</c> sends it N times, <c>gw:name:port</c> names another gateway than
/// <c>gw:gw:80</c>, <c>mesh:service:port</c> goes through the waypoint, <c>from:namespace</c> says who calls there, <c>h2</c> and <c>grpc</c> say how. After the
/// target, which may begin with a host: <c>name:value</c>. After the arrow: a status, <c>any</c>, <c>grpc=status</c>, or the service that answers, and for
/// several requests its share of them; then what the endpoint sees (<c>host=</c>, <c>path=</c>, <c>method=</c>, <c>sees:name=value</c>, <c>misses:name</c>),
/// what the answer says (<c>location=</c>, <c>answers:name=value</c>, <c>hides:name</c>), <c>copies:services</c>, with a share for several requests, and
/// <c>tries:N</c>.
/// </summary>
internal sealed record ConformanceRow(string Line)
{
    public int Times { get; private init; } = 1;

    public string Gateway { get; private init; } = "app/gw";

    public int Port { get; private init; } = 80;

    /// <summary>The service that is called through the waypoint; null: a gateway is called.</summary>
    public string? Service { get; private init; }

    public string Namespace { get; private init; } = "app";

    public bool IsHttp2 { get; private init; }

    public bool IsGrpc { get; private init; }

    public string Method { get; private init; } = "";

    public string Host { get; private init; } = "";

    public string Path { get; private init; } = "";

    public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public string[] Expected { get; private init; } = [];

    public static ConformanceRow Parse(string line)
    {
        var row = new ConformanceRow(line);
        var arrow = line.IndexOf(" -> ", StringComparison.Ordinal);
        var words = new Queue<string>(line[..arrow].Split(' '));
        while (words.TryDequeue(out var word))
        {
            var parts = word.Split(':');
            switch (parts[0])
            {
                case "gw":
                    row = row with { Gateway = $"app/{parts[1]}", Port = parts.Length > 2 ? Number(parts[2]) : 80 };
                    break;
                case "mesh":
                    row = row with { Service = parts[1], Port = parts.Length > 2 ? Number(parts[2]) : 8080 };
                    break;
                case "from":
                    row = row with { Namespace = parts[1] };
                    break;
                case "h2":
                    row = row with { IsHttp2 = true };
                    break;
                case "grpc":
                    row = row with { IsHttp2 = true, IsGrpc = true };
                    break;
                case ['x', .. var times]:
                    row = row with { Times = Number(times) };
                    break;
                default:
                    var target = words.Dequeue();
                    var slash = target.IndexOf('/');
                    row = row with { Method = word, Host = slash == 0 ? "gw.test" : target[..slash], Path = target[slash..], Expected = line[(arrow + 4)..].Split(' ') };
                    foreach (var header in words)
                    {
                        row.Headers[header[..header.IndexOf(':')]] = header[(header.IndexOf(':') + 1)..];
                    }

                    return row;
            }
        }

        throw new FormatException(line);
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
