using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Dns;

/// <summary>Answers a workload's questions for names: the mesh's own services at once, everything else by the name servers of the node (ztunnel <c>dns/server.rs</c>).</summary>
internal sealed partial class DnsProxy
{
    private const int MostOverTcp = 65535;

    // What a datagram can hold, whatever a client says that it takes.
    private const int MostOverUdp = 65507;
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(5);

    private readonly IMeshSnapshotProvider _mesh;
    private readonly NameRules _rules;
    private readonly DnsMetrics _metrics;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private long _said;

    /// <summary>Creates the proxy.</summary>
    public DnsProxy(IMeshSnapshotProvider mesh, NameRules rules, DnsMetrics metrics, ILogger logger, TimeProvider time)
    {
        _mesh = mesh;
        _rules = rules;
        _metrics = metrics;
        _logger = logger;
        _time = time;
        _said = time.GetTimestamp() - (long)(s_quiet.TotalSeconds * time.TimestampFrequency);
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

        if ((local.Current ?? await AppearedAsync(local, forwarder, cancellationToken).ConfigureAwait(false)) is not { } client)
        {
            return DnsAnswer.Failure(message.Span, query, DnsCode.ServerFailure);
        }

        var labels = DnsMetrics.LabelsOf(query, tcp, client);
        _metrics.Asked(labels);
        if (query is { Family: { } family, Name: { } name } && MeshNames.Lookup(_mesh.Current, client, name, family, _rules) is { } found)
        {
            LogAnswered(_logger, client.Name, client.Namespace, family == AddressFamily.InterNetwork ? "A" : "AAAA", name, "answered", found.Addresses.Length);
            var addresses = found.Addresses.ToArray();
            Random.Shared.Shuffle(addresses);
            return DnsAnswer.Addresses(message.Span, query, found.Alias, [.. addresses], tcp ? MostOverTcp : Math.Min(query.Payload, MostOverUdp));
        }

        if (_logger.IsEnabled(LogLevel.Debug))
        {
            LogAnswered(_logger, client.Name, client.Namespace, DnsMetrics.TypeName(query.Type).ToUpperInvariant(), query.Name ?? "(no text)", "forwarded", 0);
        }

        return await ForwardAsync(message, query, forwarder, tcp, client, labels, cancellationToken).ConfigureAwait(false)
            ?? DnsAnswer.Failure(message.Span, query, DnsCode.ServerFailure);
    }

    private async ValueTask<Workload?> AppearedAsync(LocalWorkload local, DnsForwarder forwarder, CancellationToken cancellationToken)
    {
        if (!forwarder.TryEnter())
        {
            return null;
        }

        try
        {
            var client = await local.GetAsync(cancellationToken).ConfigureAwait(false);
            if (client is null && MaySay())
            {
                LogUnknownClient(_logger, local.Name);
            }

            return client;
        }
        finally
        {
            forwarder.Leave();
        }
    }

    private async Task<byte[]?> ForwardAsync(
        ReadOnlyMemory<byte> message, DnsQuery query, DnsForwarder forwarder, bool tcp, Workload client, MetricLabels labels, CancellationToken cancellationToken)
    {
        if (!forwarder.TryEnter())
        {
            TooMany(client);
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
            forwarder.Leave();
            _metrics.Forwarded(labels, _time.GetElapsedTime(begun), answer is not null);
        }
    }

    private void TooMany(Workload client)
    {
        if (MaySay())
        {
            LogTooMany(_logger, DnsForwarder.MostWaiting, client.Namespace, client.Name);
        }
    }

    /// <summary>Once in a while: pods could otherwise fill the log by asking.</summary>
    private bool MaySay()
    {
        var (said, now) = (Interlocked.Read(ref _said), _time.GetTimestamp());
        return _time.GetElapsedTime(said, now) >= s_quiet && Interlocked.CompareExchange(ref _said, now, said) == said;
    }

    [LoggerMessage(5000, LogLevel.Debug, "src.workload=\"{Workload}\" src.namespace=\"{Namespace}\" query=\"{Type}\" domain=\"{Name}\" result=\"{Result}\" endpoints={Count}")]
    private static partial void LogAnswered(ILogger logger, string workload, string @namespace, string type, string name, string result, int count);

    [LoggerMessage(5001, LogLevel.Warning, "names cannot be resolved for {Workload}: the mesh does not know that workload")]
    private static partial void LogUnknownClient(ILogger logger, string workload);

    [LoggerMessage(5002, LogLevel.Warning, "{Count} questions of {Namespace}/{Workload} wait for name servers outside of the mesh; further ones are answered SERVFAIL until some are answered")]
    private static partial void LogTooMany(ILogger logger, int count, string @namespace, string workload);
}
