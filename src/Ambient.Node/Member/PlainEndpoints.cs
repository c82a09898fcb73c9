using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// Kestrel serves either the addresses it is given (<c>ASPNETCORE_URLS</c>, <c>HTTP_PORTS</c>, <c>app.Urls</c>) or the endpoints that code
/// declares, and HBONE is the latter: it would drop the former with no more than a warning. So each address becomes an endpoint of its own,
/// before the server starts.
/// </summary>
internal sealed class PlainEndpoints(IServer server, IOptions<KestrelServerOptions> kestrel, IConfiguration configuration)
{
    private const string Urls = "urls";
    private const string HttpPorts = "http_ports";
    private const string HttpsPorts = "https_ports";

    /// <summary>Declares the endpoints. Called once, when the host is about to start its server.</summary>
    /// <exception cref="InvalidOperationException">An address cannot be read; the message names it.</exception>
    public void Declare()
    {
        var addresses = server.Features.Get<IServerAddressesFeature>()?.Addresses;
        foreach (var address in Addresses(addresses))
        {
            Declare(address);
        }

        // They are served: left where they are, Kestrel would say that it overrides them.
        addresses?.Clear();
        foreach (var setting in (ReadOnlySpan<string>)[Urls, HttpPorts, HttpsPorts])
        {
            if (configuration[setting] is not null)
            {
                configuration[setting] = "";
            }
        }
    }

    private List<string> Addresses(ICollection<string>? ofTheServer)
    {
        if (ofTheServer is { Count: > 0 })
        {
            return [.. ofTheServer];
        }

        if (configuration[Urls] is { Length: > 0 } urls)
        {
            return [.. Split(urls)];
        }

        return [.. Ports(HttpPorts, "http"), .. Ports(HttpsPorts, "https")];
    }

    private IEnumerable<string> Ports(string setting, string scheme) =>
        Split(configuration[setting] ?? "").Select(port => string.Create(CultureInfo.InvariantCulture, $"{scheme}://*:{port}"));

    private static string[] Split(string list) => list.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private void Declare(string text)
    {
        BindingAddress address;
        try
        {
            address = BindingAddress.Parse(text);
        }
        catch (FormatException e)
        {
            throw new InvalidOperationException($"\"{text}\" is not an address to listen on, such as http://127.0.0.1:5000: {e.Message}", e);
        }

        if (!string.IsNullOrEmpty(address.PathBase))
        {
            throw new InvalidOperationException($"\"{text}\": an address to listen on has no path; use app.UsePathBase(\"{address.PathBase}\")");
        }

        var options = kestrel.Value;
        if (address.IsUnixPipe)
        {
            options.ListenUnixSocket(address.UnixPipePath, Secure);
        }
        else if (string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            options.ListenLocalhost(address.Port, Secure);
        }
        else if (IPAddress.TryParse(address.Host, out var ip))
        {
            options.Listen(ip, address.Port, Secure);
        }
        else
        {
            // Any other host, as for Kestrel: all addresses.
            options.ListenAnyIP(address.Port, Secure);
        }

        void Secure(ListenOptions listen)
        {
            if (string.Equals(address.Scheme, "https", StringComparison.OrdinalIgnoreCase))
            {
                listen.UseHttps();
            }
        }
    }
}
