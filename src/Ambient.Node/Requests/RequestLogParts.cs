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
    // What a connection may hold on to of its client's texts, and of each other part.
    private const int MostKept = 256;

    // The next one is of about the same length.
    private const int Spare = 32;

    private long _meshVersion = -1;
    private IPEndPoint? _client;
    private Workload? _clientWorkload;
    private IPEndPoint? _source;
    private Workload? _sourceWorkload;
    private SpiffeId? _identity;
    private Kept _who;
    private MeshService? _service;
    private IPEndPoint? _address;
    private Workload? _workload;
    private Kept _whom;
    private string? _method;
    private string? _host;
    private string? _path;
    private HttpProtocolVersion _version;
    private Kept _what;
    private AuthorizationDecision? _decision;
    private string? _rule;
    private Kept _rules;
    private int _code;
    private string? _grpcStatus;
    private string? _flags;
    private int _attempts;
    private Kept _how;

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

    /// <summary>The client, if the last line was about the same. Empty: it has to be written, and told to <see cref="KeepWho"/>.</summary>
    public ReadOnlySpan<byte> Who(IPEndPoint? source, Workload? workload, SpiffeId? identity) =>
        ReferenceEquals(source, _source) && ReferenceEquals(workload, _sourceWorkload) && (identity?.Equals(_identity) ?? _identity is null) ? _who.Bytes : default;

    /// <summary>Keeps what <see cref="Who"/> did not have.</summary>
    public void KeepWho(IPEndPoint? source, Workload? workload, SpiffeId? identity, ReadOnlySpan<byte> written)
    {
        (_source, _sourceWorkload, _identity) = (source, workload, identity);
        _who.Keep(written);
    }

    /// <summary>The service and the endpoint, likewise; of endpoints whose address is known.</summary>
    public ReadOnlySpan<byte> Whom(MeshService? service, IPEndPoint address, Workload workload) =>
        ReferenceEquals(service, _service) && ReferenceEquals(workload, _workload) && address.Equals(_address) ? _whom.Bytes : default;

    /// <summary>Keeps what <see cref="Whom"/> did not have.</summary>
    public void KeepWhom(MeshService? service, IPEndPoint address, Workload workload, ReadOnlySpan<byte> written)
    {
        (_service, _address, _workload) = (service, address, workload);
        _whom.Keep(written);
    }

    /// <summary>What was asked for, likewise; of clients that ask for the same again, whose texts are the same objects then.</summary>
    public ReadOnlySpan<byte> What(string method, string host, string? path, HttpProtocolVersion version) =>
        ReferenceEquals(path, _path) && ReferenceEquals(host, _host) && ReferenceEquals(method, _method) && version == _version ? _what.Bytes : default;

    /// <summary>Keeps what <see cref="What"/> did not have; most paths are asked for once, and nothing is allocated for them.</summary>
    public void KeepWhat(string method, string host, string? path, HttpProtocolVersion version, ReadOnlySpan<byte> written)
    {
        // A long text of the client's is not held on to.
        (_method, _host, _path, _version) = _what.Keep(written) ? (method, host, path, version) : (null, null, null, version);
    }

    /// <summary>Policy and route, likewise; false: they have to be written. They may have nothing to say.</summary>
    public bool TryRules(AuthorizationDecision? decision, string? rule, out ReadOnlySpan<byte> rules)
    {
        var isSame = ReferenceEquals(rule, _rule) && EqualityComparer<AuthorizationDecision?>.Default.Equals(decision, _decision) && _rules.IsKept;
        rules = isSame ? _rules.Bytes : default;
        return isSame;
    }

    /// <summary>Keeps what <see cref="TryRules"/> did not have.</summary>
    public void KeepRules(AuthorizationDecision? decision, string? rule, ReadOnlySpan<byte> written)
    {
        (_decision, _rule) = (decision, rule);
        _rules.Keep(written);
    }

    /// <summary>How it ended, likewise; most end as the one before.</summary>
    public ReadOnlySpan<byte> How(int code, string? grpcStatus, string flags, int attempts) =>
        code == _code && attempts == _attempts && flags == _flags && grpcStatus == _grpcStatus ? _how.Bytes : default;

    /// <summary>Keeps what <see cref="How"/> did not have.</summary>
    public void KeepHow(int code, string? grpcStatus, string flags, int attempts, ReadOnlySpan<byte> written)
    {
        // An endpoint's text of any length, which is not held on to.
        (_code, _grpcStatus, _flags, _attempts) = _how.Keep(written) ? (code, grpcStatus, flags, attempts) : (code, null, null, attempts);
    }

    /// <summary>A part of a line, in memory that the next one is written over.</summary>
    private struct Kept
    {
        private byte[]? _bytes;
        private int _length;

        /// <summary>Whether there is one; it may be empty.</summary>
        public readonly bool IsKept => _length >= 0 && _bytes is not null;

        /// <summary>The part; empty where there is none.</summary>
        public readonly ReadOnlySpan<byte> Bytes => IsKept ? _bytes.AsSpan(0, _length) : default;

        /// <summary>Keeps a part that is not long; false: it is.</summary>
        public bool Keep(ReadOnlySpan<byte> written)
        {
            if (written.Length > MostKept)
            {
                _length = -1;
                return false;
            }

            if (_bytes is null || _bytes.Length < written.Length)
            {
                _bytes = new byte[Math.Min(MostKept, written.Length + Spare)];
            }

            written.CopyTo(_bytes);
            _length = written.Length;
            return true;
        }
    }
}
