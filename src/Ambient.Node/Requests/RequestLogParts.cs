using System.Net;
using Ambient.Http;
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
    // What a connection may hold on to of its client's texts.
    private const int MostKept = 256;

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
    private string? _method;
    private string? _host;
    private string? _path;
    private HttpProtocolVersion _version;
    private byte[] _what = [];
    private int _whatLength;
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

    /// <summary>What was asked for, likewise; of clients that ask for the same again, whose texts are the same objects then. Empty: they have to be written.</summary>
    public ReadOnlySpan<byte> What(string method, string host, string? path, HttpProtocolVersion version) =>
        ReferenceEquals(path, _path) && ReferenceEquals(host, _host) && ReferenceEquals(method, _method) && version == _version ? _what.AsSpan(0, _whatLength) : default;

    /// <summary>Keeps what <see cref="What"/> did not have, where it is not long; most paths are asked for once, and nothing is allocated for them.</summary>
    public void KeepWhat(string method, string host, string? path, HttpProtocolVersion version, ReadOnlySpan<byte> written)
    {
        if (written.Length > MostKept)
        {
            (_method, _host, _path, _whatLength) = (null, null, null, 0);
            return;
        }

        (_method, _host, _path, _version) = (method, host, path, version);
        if (_what.Length < written.Length)
        {
            _what = new byte[MostKept];
        }

        written.CopyTo(_what);
        _whatLength = written.Length;
    }

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
