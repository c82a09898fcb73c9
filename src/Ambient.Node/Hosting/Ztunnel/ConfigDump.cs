using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Admin.Dumps;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>
/// What a ztunnel knows, as <c>istioctl ztunnel-config</c> reads it. Keys are written in alphabetical order, as the original's are.
/// </summary>
/// <param name="options">Settings.</param>
/// <param name="mesh">The mesh.</param>
/// <param name="svids">Certificates.</param>
/// <param name="connections">What is open.</param>
/// <param name="pods">Pods of shared mode, workloads of loopback mode; null in dedicated mode, or before there are any.</param>
internal sealed class ConfigDump(ZtunnelOptions options, IMeshSnapshotProvider mesh, SvidCache? svids, ConnectionTable connections, Func<IReadOnlyList<PodState>?> pods)
{
    // As the original indents; a large mesh is a fifth longer with twice of it.
    private static readonly JsonWriterOptions s_format = new()
    {
        Indented = true,
        IndentSize = 2,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private const int Piece = 64 * 1024;

    /// <summary>Writes the dump as fast as it is taken: of a large mesh no more than a piece is in memory.</summary>
    public async ValueTask WriteAsync(Stream output, CancellationToken cancellationToken)
    {
        var snapshot = mesh.Current;
        var json = new Utf8JsonWriter(output, s_format);
        await using (json.ConfigureAwait(false))
        {
            json.WriteStartObject();
            WriteCertificates(json);
            json.WritePropertyName("config");
            ZtunnelOptionsDump.Write(json, options);
            if (!snapshot.Requests.Unsupported.IsEmpty)
            {
                UnsupportedDump.Write(json, snapshot.Requests);
            }

            await WriteListAsync(json, "policies", snapshot.Policies.Values.OrderBy(policy => policy.Key, StringComparer.Ordinal), MeshDump.Write, cancellationToken).ConfigureAwait(false);
            await WriteListAsync(
                json,
                "services",
                snapshot.Services.Values.OrderBy(service => service.Hostname, StringComparer.Ordinal).ThenBy(service => service.Key, StringComparer.Ordinal),
                (writer, service) => MeshDump.Write(writer, service, snapshot.EndpointsOf(service)),
                cancellationToken).ConfigureAwait(false);
            json.WriteStartObject("stagedServices");
            json.WriteEndObject();
            await WriteStaticConfigAsync(json, cancellationToken).ConfigureAwait(false);
            WriteVersion(json);
            if (pods() is { } states)
            {
                json.WritePropertyName("workloadState");
                WorkloadStateDump.Write(json, states, connections.Snapshot());
            }

            var form = options.Host.LocalXdsPath is null && options.Host.LocalXds is null ? WorkloadServices.Names : WorkloadServices.None;
            await WriteListAsync(
                json,
                "workloads",
                snapshot.Workloads.Values.OrderBy(workload => workload.Uid, StringComparer.Ordinal),
                (writer, workload) => MeshDump.Write(writer, workload, form),
                cancellationToken).ConfigureAwait(false);
            json.WriteEndObject();
        }
    }

    private static async ValueTask WriteListAsync<T>(
        Utf8JsonWriter json, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write, CancellationToken cancellationToken)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
        {
            write(json, item);
            if (json.BytesPending >= Piece)
            {
                await json.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        json.WriteEndArray();
    }

    private void WriteCertificates(Utf8JsonWriter json)
    {
        json.WriteStartArray("certificates");
        foreach (var entry in svids?.Snapshot() ?? [])
        {
            json.WriteStartObject();
            json.WriteStartArray("certChain");
            if (entry.Svid is { } svid)
            {
                WriteCertificate(json, svid.Leaf);
                foreach (var intermediate in svid.Intermediates)
                {
                    WriteCertificate(json, intermediate);
                }
            }

            json.WriteEndArray();
            json.WriteString("identity", entry.Identity.ToString());
            json.WriteStartArray("rootCerts");
            foreach (var root in entry.Svid?.Roots.Roots ?? [])
            {
                WriteCertificate(json, root);
            }

            json.WriteEndArray();
            json.WriteString("state", entry.State);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteCertificate(Utf8JsonWriter json, X509Certificate2 certificate)
    {
        json.WriteStartObject();
        json.WriteString("expirationTime", Seconds(certificate.NotAfter));
        json.WriteString("pem", Convert.ToBase64String(Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n")));
        json.WriteString("serialNumber", Decimal(certificate.SerialNumberBytes.Span));
        json.WriteString("validFrom", Seconds(certificate.NotBefore));
        json.WriteEndObject();
    }

    private static string Decimal(ReadOnlySpan<byte> bigEndian) =>
        new System.Numerics.BigInteger(bigEndian, isUnsigned: true, isBigEndian: true).ToString(CultureInfo.InvariantCulture);

    private static string Seconds(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    /// <summary>
    /// The local configuration as it is written now, in its own order; empty for other sources, and for a file that has
    /// become unreadable since the start.
    /// </summary>
    private async ValueTask WriteStaticConfigAsync(Utf8JsonWriter json, CancellationToken cancellationToken)
    {
        IReadOnlyList<AuthorizationPolicy> policies = [];
        IReadOnlyList<MeshService> services = [];
        IReadOnlyList<Workload> workloads = [];
        var discovery = options.Host.ToDiscoveryOptions();
        if (discovery.LocalConfigPath is { Length: > 0 } || discovery.LocalConfig is { Length: > 0 })
        {
            try
            {
                (workloads, services, policies, _) = LocalConfigSource.Read(discovery, cancellationToken);
            }
            catch (MeshSourceException)
            {
                // Shown as empty: what is in force is in the other lists.
            }
        }

        json.WriteStartObject("staticConfig");
        await WriteListAsync(json, "policies", policies, MeshDump.Write, cancellationToken).ConfigureAwait(false);
        await WriteListAsync(json, "services", services, static (writer, service) => MeshDump.Write(writer, service, []), cancellationToken).ConfigureAwait(false);
        await WriteListAsync(
            json, "workloads", workloads, static (writer, workload) => MeshDump.Write(writer, workload, WorkloadServices.WithPorts), cancellationToken).ConfigureAwait(false);
        json.WriteEndObject();
    }

    private void WriteVersion(Utf8JsonWriter json)
    {
        json.WriteStartObject("version");
        json.WriteString("buildProfile", "release");
        json.WriteString("buildStatus", "Clean");
        json.WriteString("cryptoProvider", HboneTls.Description);
        json.WriteString("gitRevision", HostVersion.Revision);
        json.WriteString("istioVersion", options.Host.IstioVersion);
        json.WriteString("rustVersion", $".NET {Environment.Version}");
        json.WriteString("version", HostVersion.Text);
        json.WriteEndObject();
    }
}
