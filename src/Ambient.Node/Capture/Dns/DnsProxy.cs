using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Dns;

/// <summary>Answers a workload's questions for names: the mesh's own services at once, everything else by the name servers of the node (reference/ztunnel.md 9).</summary>
internal sealed partial class DnsProxy
{
    private const int MostForwarded = 256;
    private const int MostOverTcp = 65535;

    private readonly IMeshSnapshotProvider _mesh;
    private readonly NameRules _rules;
    private readonly DnsMetrics _metrics;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private int _forwarding;

    /// <summary>Creates the proxy.</summary>
    public DnsProxy(IMeshSnapshotProvider mesh, NameRules rules, DnsMetrics metrics, ILogger logger, TimeProvider time)
    {
        _mesh = mesh;
        _rules = rules;
        _metrics = metrics;
        _logger = logger;
        _time = time;
    }

    /// <summary>The answer to a message; null when there is nobody to answer to.</summary>
    public async ValueTask<byte[]?> AnswerAsync(ReadOnlyMemory<byte> message, LocalWorkload local, DnsForwarder forwarder, bool tcp, CancellationToken cancellationToken)
    {
        if (!DnsQuery.TryRead(message.Span, out var query, out var code))
        {
            return null;
        }

        if (code != DnsCode.NoError)
        {
            return DnsAnswer.Failure(message.Span, query, code);
        }

        if (await local.GetAsync(cancellationToken).ConfigureAwait(false) is not { } client)
        {
            LogUnknownClient(_logger, local.Name, query.Name ?? "(no text)");
            return DnsAnswer.Failure(message.Span, query, DnsCode.ServerFailure);
        }

        var labels = DnsMetrics.LabelsOf(query, tcp, client);
        _metrics.Asked(labels);
        if (query is { Family: { } family, Name: { } name } && MeshNames.Lookup(_mesh.Current, client, name, family, _rules) is { } found)
        {
            LogAnswered(_logger, client.Name, client.Namespace, family == AddressFamily.InterNetwork ? "A" : "AAAA", name, "answered", found.Addresses.Length);
            var addresses = found.Addresses.ToArray();
            Random.Shared.Shuffle(addresses);
            return DnsAnswer.Addresses(message.Span, query, found.Alias, [.. addresses], tcp ? MostOverTcp : query.Payload);
        }

        LogAnswered(_logger, client.Name, client.Namespace, query.Type.ToString(System.Globalization.CultureInfo.InvariantCulture), query.Name ?? "(no text)", "forwarded", 0);
        return await ForwardAsync(message, query, forwarder, tcp, labels, cancellationToken).ConfigureAwait(false)
            ?? DnsAnswer.Failure(message.Span, query, DnsCode.ServerFailure);
    }

    private async Task<byte[]?> ForwardAsync(
        ReadOnlyMemory<byte> message, DnsQuery query, DnsForwarder forwarder, bool tcp, Diagnostics.Metrics.MetricLabels labels, CancellationToken cancellationToken)
    {
        // A pod that asks faster than servers answer hears so, rather than filling the memory.
        if (Interlocked.Increment(ref _forwarding) > MostForwarded)
        {
            Interlocked.Decrement(ref _forwarding);
            LogTooMany(_logger, MostForwarded);
            return null;
        }

        var begun = _time.GetTimestamp();
        byte[]? answer = null;
        try
        {
            answer = await forwarder.AskAsync(message, query, tcp, cancellationToken).ConfigureAwait(false);
            return answer;
        }
        finally
        {
            Interlocked.Decrement(ref _forwarding);
            _metrics.Forwarded(labels, _time.GetElapsedTime(begun), answer is not null);
        }
    }

    [LoggerMessage(1, LogLevel.Debug, "src.workload=\"{Workload}\" src.namespace=\"{Namespace}\" query=\"{Type}\" domain=\"{Name}\" result=\"{Result}\" endpoints={Count}")]
    private static partial void LogAnswered(ILogger logger, string workload, string @namespace, string type, string name, string result, int count);

    [LoggerMessage(2, LogLevel.Warning, "name {Name} cannot be resolved for {Workload}: the mesh does not know that workload")]
    private static partial void LogUnknownClient(ILogger logger, string workload, string name);

    [LoggerMessage(3, LogLevel.Warning, "{Count} questions wait for name servers outside of the mesh; further ones are answered SERVFAIL until some are answered")]
    private static partial void LogTooMany(ILogger logger, int count);
}
