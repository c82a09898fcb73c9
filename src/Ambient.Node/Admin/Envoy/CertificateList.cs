using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary><c>/certs</c>: the certificates that are in use, and until when.</summary>
internal static class CertificateList
{
    /// <summary>Answers.</summary>
    public static AdminResponse Answer(EnvoyHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, IndentSize = 1 }))
        {
            json.WriteStartObject();
            json.WriteStartArray("certificates");
            foreach (var svid in (host.Svids?.Snapshot() ?? []).Select(entry => entry.Svid).OfType<X509Svid>())
            {
                Write(json, host, svid.Roots.Roots, [svid.Leaf], svid.Id.ToString());
            }

            foreach (var secret in host.Received.Of(EnvoyTypes.Secret).Resources)
            {
                var (roots, chain) = Read(secret.Bytes);
                Write(json, host, roots, chain.Take(1), null);
                foreach (var certificate in roots.Concat(chain))
                {
                    certificate.Dispose();
                }
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return new AdminResponse(200, "application/json", buffer.WrittenMemory);
    }

    private static (X509Certificate2Collection Roots, X509Certificate2Collection Chain) Read(ByteString bytes)
    {
        var (roots, chain) = (new X509Certificate2Collection(), new X509Certificate2Collection());
        try
        {
            var secret = Secret.Parser.ParseFrom(bytes);
            roots.ImportFromPem(secret.ValidationContext?.TrustedCa?.InlineBytes.ToStringUtf8());
            chain.ImportFromPem(secret.TlsCertificate?.CertificateChain?.InlineBytes.ToStringUtf8());
        }
        catch (Exception e) when (e is CryptographicException or InvalidProtocolBufferException)
        {
            // A secret that nothing can be read of has nothing to show.
        }

        return (roots, chain);
    }

    private static void Write(Utf8JsonWriter json, EnvoyHost host, IEnumerable<X509Certificate2> roots, IEnumerable<X509Certificate2> chain, string? identity)
    {
        json.WriteStartObject();
        Write(json, "ca_cert", host, roots, null);
        Write(json, "cert_chain", host, chain, identity);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string property, EnvoyHost host, IEnumerable<X509Certificate2> certificates, string? identity)
    {
        json.WriteStartArray(property);
        foreach (var certificate in certificates)
        {
            json.WriteStartObject();
            json.WriteString("path", "<inline>");
            json.WriteString("serial_number", Serial(certificate));
            json.WriteStartArray("subject_alt_names");
            if (identity is not null)
            {
                json.WriteStartObject();
                json.WriteString("uri", identity);
                json.WriteEndObject();
            }

            foreach (var name in certificate.Extensions.Select(static extension => extension as X509SubjectAlternativeNameExtension).OfType<X509SubjectAlternativeNameExtension>().SelectMany(names => names.EnumerateDnsNames()))
            {
                json.WriteStartObject();
                json.WriteString("dns", name);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            var until = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
            json.WriteString("days_until_expiration", Math.Max(0, (long)(until - host.Time.GetUtcNow()).TotalDays).ToString(CultureInfo.InvariantCulture));
            json.WriteString("valid_from", Seconds(certificate.NotBefore));
            json.WriteString("expiration_time", Seconds(certificate.NotAfter));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Serial(X509Certificate2 certificate) => certificate.SerialNumber.TrimStart('0').ToLowerInvariant();

    private static string Seconds(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
