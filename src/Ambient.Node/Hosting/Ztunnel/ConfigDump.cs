using System.Buffers;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Certificates;
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
/// What a ztunnel knows, as <c>istioctl ztunnel-config</c> reads it (reference/ztunnel.md 12). Keys are written in alphabetical
/// order, as the reference's are.
/// </summary>
/// <param name="options">Settings.</param>
/// <param name="mesh">The mesh.</param>
/// <param name="svids">Certificates.</param>
/// <param name="connections">What is open.</param>
/// <param name="pods">Pods of shared mode; null in other modes, or before there are any.</param>
internal sealed class ConfigDump(ZtunnelOptions options, IMeshSnapshotProvider mesh, SvidCache svids, ConnectionTable connections, Func<IReadOnlyList<PodState>?> pods)
{
    private static readonly JsonWriterOptions s_format = new()
    {
        Indented = true,
        IndentSize = 4,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The dump.</summary>
    public ReadOnlyMemory<byte> Write()
    {
        var snapshot = mesh.Current;
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        using (var json = new Utf8JsonWriter(buffer, s_format))
        {
            json.WriteStartObject();
            WriteCertificates(json);
            json.WritePropertyName("config");
            ZtunnelOptionsDump.Write(json, options);
            WritePolicies(json, snapshot);
            WriteServices(json, snapshot);
            json.WriteStartObject("stagedServices");
            json.WriteEndObject();
            WriteStaticConfig(json);
            WriteVersion(json);
            if (pods() is { } states)
            {
                json.WritePropertyName("workloadState");
                WorkloadStateDump.Write(json, states, connections.Snapshot());
            }

            WriteWorkloads(json, snapshot);
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    private void WriteCertificates(Utf8JsonWriter json)
    {
        json.WriteStartArray("certificates");
        foreach (var entry in svids.Snapshot())
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
    private void WriteStaticConfig(Utf8JsonWriter json)
    {
        IReadOnlyList<AuthorizationPolicy> policies = [];
        IReadOnlyList<MeshService> services = [];
        IReadOnlyList<Workload> workloads = [];
        var discovery = options.Host.ToDiscoveryOptions();
        if (discovery.LocalConfigPath is { Length: > 0 } || discovery.LocalConfig is { Length: > 0 })
        {
            try
            {
                (workloads, services, policies, _) = LocalConfigSource.Read(discovery, CancellationToken.None);
            }
            catch (MeshSourceException)
            {
                // Shown as empty: what is in force is in the other lists.
            }
        }

        json.WriteStartObject("staticConfig");
        json.WriteStartArray("policies");
        foreach (var policy in policies)
        {
            MeshDump.Write(json, policy);
        }

        json.WriteEndArray();
        json.WriteStartArray("services");
        foreach (var service in services)
        {
            MeshDump.Write(json, service, []);
        }

        json.WriteEndArray();
        json.WriteStartArray("workloads");
        foreach (var workload in workloads)
        {
            MeshDump.Write(json, workload, withServices: true);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteVersion(Utf8JsonWriter json)
    {
        json.WriteStartObject("version");
        json.WriteString("buildProfile", "release");
        json.WriteString("buildStatus", "Clean");
        json.WriteString("cryptoProvider", "openssl");
        json.WriteString("gitRevision", HostVersion.Revision);
        json.WriteString("istioVersion", options.Host.IstioVersion);
        json.WriteString("rustVersion", $".NET {Environment.Version}");
        json.WriteString("version", HostVersion.Text);
        json.WriteEndObject();
    }

    private static void WritePolicies(Utf8JsonWriter json, MeshSnapshot snapshot)
    {
        json.WriteStartArray("policies");
        foreach (var policy in snapshot.Policies.Values.OrderBy(policy => policy.Key, StringComparer.Ordinal))
        {
            MeshDump.Write(json, policy);
        }

        json.WriteEndArray();
    }

    private static void WriteServices(Utf8JsonWriter json, MeshSnapshot snapshot)
    {
        json.WriteStartArray("services");
        foreach (var service in snapshot.Services.Values.OrderBy(service => service.Hostname, StringComparer.Ordinal).ThenBy(service => service.Key, StringComparer.Ordinal))
        {
            MeshDump.Write(json, service, snapshot.EndpointsOf(service));
        }

        json.WriteEndArray();
    }

    private static void WriteWorkloads(Utf8JsonWriter json, MeshSnapshot snapshot)
    {
        json.WriteStartArray("workloads");
        foreach (var workload in snapshot.Workloads.Values.OrderBy(workload => workload.Uid, StringComparer.Ordinal))
        {
            MeshDump.Write(json, workload, withServices: false);
        }

        json.WriteEndArray();
    }
}
