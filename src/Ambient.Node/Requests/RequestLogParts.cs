using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>
/// What the last access line of a connection said of things that seldom change from one request to the next: who, to whom, and by which rules. A line
/// that says the same takes the bytes. Objects of the mesh are compared by reference: snapshots share what did not change.
/// </summary>
internal sealed class RequestLogParts
{
    private long _meshVersion = -1;
    private IPEndPoint? _client;
    private Workload? _clientWorkload;
    private IPEndPoint? _source;
    private Workload? _sourceWorkload;
    private SpiffeId? _identity;
    private MeshService? _service;
    private byte[]? _who;
    private IPEndPoint? _address;
    private Workload? _workload;
    private byte[]? _whom;
    private AuthorizationDecision? _decision;
    private string? _rule;
    private byte[]? _rules;

    /// <summary>Whose address the client's is, if it was asked of the same version of the mesh; false: it has to be looked for, and told to <see cref="KeepSource"/>.</summary>
    public bool TrySource(long meshVersion, IPEndPoint source, out Workload? workload)
    {
        if (meshVersion == _meshVersion && ReferenceEquals(source, _client))
        {
            workload = _clientWorkload;
            return true;
        }

        (_meshVersion, _client, workload) = (meshVersion, source, null);
        return false;
    }

    /// <summary>Keeps what <see cref="TrySource"/> did not have.</summary>
    public void KeepSource(Workload? workload) => _clientWorkload = workload;

    /// <summary>The client and the service, if the last line was about the same; null: they have to be written, and told to <see cref="KeepWho"/>.</summary>
    public byte[]? Who(IPEndPoint? source, Workload? workload, SpiffeId? identity, MeshService? service)
    {
        if (ReferenceEquals(source, _source) && ReferenceEquals(workload, _sourceWorkload) && ReferenceEquals(service, _service) && (identity?.Equals(_identity) ?? _identity is null))
        {
            return _who;
        }

        (_source, _sourceWorkload, _identity, _service, _who) = (source, workload, identity, service, null);
        return null;
    }

    /// <summary>Keeps what <see cref="Who"/> did not have.</summary>
    public void KeepWho(byte[] written) => _who = written;

    /// <summary>The endpoint, likewise.</summary>
    public byte[]? Whom(IPEndPoint address, Workload workload)
    {
        if (ReferenceEquals(workload, _workload) && address.Equals(_address))
        {
            return _whom;
        }

        (_address, _workload, _whom) = (address, workload, null);
        return null;
    }

    /// <summary>Keeps what <see cref="Whom"/> did not have.</summary>
    public void KeepWhom(byte[] written) => _whom = written;

    /// <summary>Policy and route, likewise.</summary>
    public byte[]? Rules(AuthorizationDecision? decision, string? rule)
    {
        if (ReferenceEquals(rule, _rule) && EqualityComparer<AuthorizationDecision?>.Default.Equals(decision, _decision))
        {
            return _rules;
        }

        (_decision, _rule, _rules) = (decision, rule, null);
        return null;
    }

    /// <summary>Keeps what <see cref="Rules"/> did not have.</summary>
    public void KeepRules(byte[] written) => _rules = written;
}
