using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What a rule asks of every request that it matches, whichever backend takes it.</summary>
public sealed record RoutePlan
{
    /// <summary>What holds where no rule says anything.</summary>
    public static RoutePlan Default { get; } = new();

    /// <summary>Time for the whole request; null: without end.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Time for one try; null: as long as the whole.</summary>
    public TimeSpan? TryTimeout { get; init; }

    /// <summary>When a request is sent again; null: as the mesh has it, and then <see cref="TryTimeout"/> says nothing.</summary>
    public RetryRule? Retry { get; init; }

    /// <summary>How a client stays with one endpoint; null: as the service has it.</summary>
    public SessionPersistence? Session { get; init; }

    /// <summary>What browsers of other origins may do; null: nothing is said about it.</summary>
    public CorsPolicy? Cors { get; init; }

    /// <summary>Faults that are made on purpose; null: none.</summary>
    public FaultRule? Fault { get; init; }

    /// <summary>What a rule asks.</summary>
    internal static RoutePlan Of(TrafficRule rule)
    {
        var forward = rule.Action as ForwardAction;
        if (rule.Cors is null && rule.Fault is null && forward is null or { Timeout: null, TryTimeout: null, Retry: null, Session: null })
        {
            return Default;
        }

        var (timeout, tryTimeout) = (Positive(forward?.Timeout), Positive(forward?.TryTimeout));
        return new RoutePlan
        {
            Timeout = timeout,
            TryTimeout = tryTimeout < timeout || timeout is null ? tryTimeout : null,
            Retry = forward?.Retry,
            Session = forward?.Session,
            Cors = rule.Cors is { } cors ? new CorsPolicy(cors) : null,
            Fault = rule.Fault,
        };
    }

    private static TimeSpan? Positive(TimeSpan? time) => time > TimeSpan.Zero ? time : null;
}

/// <summary>Who gets a copy of a request.</summary>
/// <param name="Service">Service.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Subset">Subset of its endpoints; null: all of them.</param>
/// <param name="PartsPerMillion">Share of the requests.</param>
public sealed record RouteMirror(MeshService Service, int Port, string? Subset, int PartsPerMillion);
