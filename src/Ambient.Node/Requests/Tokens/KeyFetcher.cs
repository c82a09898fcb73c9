using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.Lifetime;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// Fetches an issuer's keys: from where the rule says, or from where the issuer's OpenID configuration says
/// (https://openid.net/specs/openid-connect-discovery-1_0.html section 4). Bounded in time, bytes and redirects; HTTPS is verified by the machine's
/// roots, and what began with it never goes on without.
/// </summary>
/// <param name="rootsFile">File of roots; null: the platform's own store.</param>
/// <param name="time">Clock.</param>
internal sealed class KeyFetcher(string? rootsFile, TimeProvider time)
{
    private const int MaxRedirects = 3;

    /// <summary>Where a rule's keys are asked for first.</summary>
    public static Uri SourceOf(JwtRule rule) => new(rule.JwksUri ?? $"{rule.Issuer.TrimEnd('/')}/.well-known/openid-configuration");

    /// <summary>Fetches the text of a key set.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="IOException">It could not be fetched; the message says why.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public async Task<string> FetchAsync(JwtRule rule, CancellationToken cancellationToken)
    {
        using var patience = new TimeLimit(rule.Timeout, time, cancellationToken);
        using var session = new Session(rootsFile);
        try
        {
            var source = SourceOf(rule);
            if (source is not { Scheme: "https" or "http" })
            {
                throw new IOException($"{source} is not a URL of HTTP");
            }

            return rule.JwksUri is not null
                ? await session.GetAsync(source, patience.Token).ConfigureAwait(false)
                : await session.GetAsync(KeysOf(source, rule.Issuer, await session.GetAsync(source, patience.Token).ConfigureAwait(false)), patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (patience.HasPassed)
        {
            throw new IOException($"no answer within {rule.Timeout}", e);
        }
        catch (Exception e) when (e is HttpRequestException or CryptographicException or UnauthorizedAccessException or UriFormatException)
        {
            throw new IOException(e.InnerException is null ? e.Message : $"{e.Message}: {e.InnerException.Message}", e);
        }
    }

    /// <summary>Where a configuration says that the keys are. It must be the configuration of that issuer (section 4.3).</summary>
    private static Uri KeysOf(Uri source, string issuer, string configuration)
    {
        try
        {
            using var document = JsonDocument.Parse(configuration, new JsonDocumentOptions { MaxDepth = 32 });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("jwks_uri", out var keys) || keys.ValueKind != JsonValueKind.String
                || !Uri.TryCreate(keys.GetString(), UriKind.Absolute, out var uri) || uri is not { Scheme: "https" or "http" })
            {
                throw new IOException($"{source} names no jwks_uri");
            }

            if (root.TryGetProperty("issuer", out var own) && !(own.ValueKind == JsonValueKind.String && own.ValueEquals(issuer)))
            {
                throw new IOException($"{source} is the configuration of another issuer");
            }

            return IsDowngrade(source, uri) ? throw new IOException($"{source} names a jwks_uri without TLS") : uri;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter for texts that are not Unicode.
            throw new IOException($"{source} is not JSON", e);
        }
    }

    private static bool IsDowngrade(Uri from, Uri to) => from.Scheme == "https" && to.Scheme != "https";

    /// <summary>One fetch, and the roots that it has read.</summary>
    private sealed class Session(string? rootsFile) : IDisposable
    {
        private X509ChainPolicy? _roots;

        public async Task<string> GetAsync(Uri uri, CancellationToken cancellationToken)
        {
            for (var redirects = 0; ; redirects++)
            {
                using var client = new HttpMessageInvoker(NewHandler(uri), disposeHandler: true);
                using var request = new HttpRequestMessage(HttpMethod.Get, uri);
                request.Headers.Accept.ParseAdd("application/json");
                using var response = await client.SendAsync(request, cancellationToken).ConfigureAwait(false);
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    return await ReadAsync(uri, response.Content, cancellationToken).ConfigureAwait(false);
                }

                if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location)
                {
                    throw new IOException($"{uri} answered {(int)response.StatusCode}");
                }

                if (redirects == MaxRedirects)
                {
                    throw new IOException($"{uri} redirects once more than {MaxRedirects} times");
                }

                var next = location.IsAbsoluteUri ? location : new Uri(uri, location);
                uri = next is { Scheme: "https" or "http" } && !IsDowngrade(uri, next) ? next : throw new IOException($"{uri} redirects to a place without TLS");
            }
        }

        public void Dispose()
        {
            foreach (var root in _roots?.CustomTrustStore ?? [])
            {
                root.Dispose();
            }
        }

        private SocketsHttpHandler NewHandler(Uri uri)
        {
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
                MaxResponseHeadersLength = 16,
                ActivityHeadersPropagator = null,
            };
            if (uri.Scheme == "https" && rootsFile is not null)
            {
                // Host name and dates are looked at as ever; only whom to believe is said here.
                handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = _roots ??= SystemRoots.Load(rootsFile) };
            }

            return handler;
        }

        private static async Task<string> ReadAsync(Uri uri, HttpContent content, CancellationToken cancellationToken)
        {
            var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            using var bytes = new MemoryStream();
            var buffer = new byte[8192];
            while (await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
            {
                bytes.Write(buffer, 0, read);
                if (bytes.Length > JsonWebKeys.MaxBytes)
                {
                    throw new IOException($"{uri} answers with more than {JsonWebKeys.MaxBytes} bytes");
                }
            }

            return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
    }
}
