using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Istio's own Gateways (https://istio.io/latest/docs/reference/config/networking/gateway/).</summary>
internal static class IstioGatewayReader
{
    public static IstioGatewayObject Read(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var servers = spec.Objects("servers").Select((server, index) => ReadServer(meta, server, index)).ToArray();
        if (servers.Length == 0)
        {
            spec.Error("servers", "missing; expected at least one server");
        }

        return new IstioGatewayObject(meta, spec.StringMap("selector"), servers);
    }

    private static IstioServerSpec ReadServer(ObjectMeta meta, FieldReader server, int index)
    {
        var port = server.ObjectOrEmpty("port");
        var written = port.RequiredString("protocol").ToUpperInvariant();
        var tls = server.Object("tls");
        var mode = tls?.OneOf("mode", "PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL");
        var passesThrough = mode == "PASSTHROUGH";
        var number = port.RequiredInteger("number", 1, 65535);
        var protocol = written switch
        {
            "HTTP" or "HTTP2" or "GRPC" or "GRPC-WEB" => "HTTP",
            "HTTPS" or "TLS" when passesThrough => "TLS",
            "HTTPS" => "HTTPS",
            "TLS" => "TLS",
            "TCP" or "MONGO" or "MYSQL" or "REDIS" => tls is null ? "TCP" : "TLS",
            _ => written,
        };
        var redirects = tls?.Boolean("httpsRedirect") ?? false;
        var isHttps = protocol is "HTTPS" or "TLS";
        if (isHttps && tls is null && !server.HasErrors)
        {
            server.Error("tls", $"missing; a server of protocol {written} needs it");
        }

        var bound = server.String("bind");
        var bind = bound is { Length: > 0 } && IPText.TryParseAddress(bound, out var address) ? address : null;
        var credentials = tls is null ? [] : Credentials(tls);
        var files = tls is null || !credentials.IsEmpty || passesThrough ? TlsFiles.None : Files(tls, asksClient: mode is "MUTUAL" or "OPTIONAL_MUTUAL");
        return new IstioServerSpec(
            port.String("name") is { Length: > 0 } name ? name : $"{protocol.ToLowerInvariant()}-{number}",
            protocol,
            ReadHosts(meta, server),
            credentials,
            new IstioServer(index, number)
            {
                RedirectsToHttps = redirects && protocol == "HTTP",
                ClientValidation = mode is "MUTUAL" or "OPTIONAL_MUTUAL" ? ReadValidation(tls!, credentials, mode == "OPTIONAL_MUTUAL") : null,
                RequiresTls13 = tls?.String("minProtocolVersion") == "TLSV1_3",
                ForbidsTls13 = tls?.String("maxProtocolVersion") == "TLSV1_2",
                Files = files,
                Problem = bound is { Length: > 0 } && bind is null ? $"bind to {bound} is not supported; expected an address"
                    : isHttps ? ProblemOf(tls, mode, passesThrough, credentials, files) : protocol is "HTTP" or "TCP" ? null : $"protocol {written} is not supported",
            })
        {
            TerminatesTls = isHttps && !passesThrough,
            Bind = bind is null || bind.Equals(IPAddress.Any) || bind.Equals(IPAddress.IPv6Any) ? null : bind,
        };
    }

    private static ImmutableArray<string> Credentials(FieldReader tls) => tls.String("credentialName") is { Length: > 0 } one ? [one] : [.. tls.Strings("credentialNames")];

    private static TlsFiles Files(FieldReader tls, bool asksClient) => new(
        asksClient ? NonEmpty(tls.String("caCertificates")) : null, NonEmpty(tls.String("serverCertificate")), NonEmpty(tls.String("privateKey")));

    private static string? NonEmpty(string? text) => text is { Length: > 0 } ? text : null;

    private static IstioClientValidation ReadValidation(FieldReader tls, ImmutableArray<string> credentials, bool isOptional) => new(
        tls.String("caCertCredentialName") is { Length: > 0 } apart ? [apart] : [.. credentials.Select(name => name + TlsSecret.AuthoritiesSuffix), .. credentials],
        isOptional)
    {
        SubjectAltNames = [.. tls.Strings("subjectAltNames")],
    };

    /// <summary>What TLS is asked for that cannot be done: then the server is not served, rather than with less.</summary>
    private static string? ProblemOf(FieldReader? tls, string? mode, bool passesThrough, ImmutableArray<string> credentials, TlsFiles files) =>
        tls is null ? null
        : mode is "AUTO_PASSTHROUGH" or "ISTIO_MUTUAL" ? $"TLS of mode {mode} is not supported"
        : mode is null ? "TLS without a mode ends nowhere; expected SIMPLE, MUTUAL, OPTIONAL_MUTUAL or PASSTHROUGH"
        : passesThrough ? null
        : tls.Has("caCrl") || tls.Has("verifyCertificateSpki") || tls.Has("verifyCertificateHash") ? "revocation lists and hashes of clients' certificates are not supported"
        : tls.String("minProtocolVersion") == "TLSV1_3" && tls.String("maxProtocolVersion") == "TLSV1_2" ? "no version of TLS is from minProtocolVersion to maxProtocolVersion"
        : tls.String("maxProtocolVersion") is "TLSV1_0" or "TLSV1_1" ? "TLS before 1.2 is not supported"
        : !credentials.IsEmpty ? null
        : files.Certificates is null || files.PrivateKey is null ? "neither credentialName names a Secret, nor serverCertificate and privateKey files"
        : mode is "MUTUAL" or "OPTIONAL_MUTUAL" && files.Authorities is null ? "clients cannot be verified: caCertificates names no file"
        : null;

    /// <summary>Hosts, each with the namespaces of the VirtualServices that it lets in; empty: all.</summary>
    private static Dictionary<string, ImmutableArray<string>> ReadHosts(ObjectMeta meta, FieldReader server)
    {
        var hosts = new Dictionary<string, ImmutableArray<string>>(StringComparer.OrdinalIgnoreCase);
        var written = server.Strings("hosts");
        if (written.Count == 0 && !server.HasErrors)
        {
            server.Error("hosts", "missing; expected at least one host");
        }

        for (var i = 0; i < written.Count; i++)
        {
            var slash = written[i].IndexOf('/', StringComparison.Ordinal);
            var (ns, host) = slash < 0 ? ("*", written[i]) : (written[i][..slash], written[i][(slash + 1)..]);
            if (host.Length == 0 || (host.Contains('*', StringComparison.Ordinal) && host != "*" && (!host.StartsWith("*.", StringComparison.Ordinal) || host.LastIndexOf('*') > 0)))
            {
                server.Error("hosts", i, $"\"{written[i]}\" is not a host; a '*' stands for the whole beginning, as in *.example.com");
                continue;
            }

            // One host may be there for several namespaces.
            ImmutableArray<string> own = ns == "*" ? [] : [ns == "." ? meta.Namespace : ns];
            hosts[host] = !hosts.TryGetValue(host, out var before) ? own : before.IsEmpty || own.IsEmpty ? [] : before.AddRange(own);
        }

        return hosts;
    }
}
