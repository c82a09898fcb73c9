using System.Collections.Immutable;
using Ambient.Node.Discovery.Xds.Envoy.Extensions;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>
/// Filters that come by themselves, put into the chains that name them. A chain is read again only when one of its own has changed; the others stay the instances
/// that they are. Used by one thread at a time.
/// </summary>
internal sealed class ExtensionTable
{
    private readonly Dictionary<string, EnvoyExtension> _extensions = new(StringComparer.Ordinal);
    private Dictionary<EnvoyChain, (ImmutableArray<EnvoyExtension?> With, EnvoyChain Chain, PartProblems Problems)> _read = new(ReferenceEqualityComparer.Instance);

    /// <summary>Sets an extension; null: it is gone. Whether that changes anything.</summary>
    public bool Set(string name, EnvoyExtension? extension)
    {
        if (Equals(_extensions.GetValueOrDefault(name), extension))
        {
            return false;
        }

        if (extension is null)
        {
            _extensions.Remove(name);
        }
        else
        {
            _extensions[name] = extension;
        }

        return true;
    }

    /// <summary>The listeners, with what their chains name.</summary>
    /// <param name="listeners">Listeners as they came.</param>
    /// <param name="problems">Takes what is not understood of chains that are put together here.</param>
    public ImmutableArray<EnvoyListener> Resolve(IEnumerable<EnvoyListener> listeners, Problems problems)
    {
        var (before, found) = (_read, ImmutableArray.CreateBuilder<EnvoyListener>());
        _read = new(ReferenceEqualityComparer.Instance);
        foreach (var listener in listeners)
        {
            found.Add(listener.Chains.All(static chain => chain.Source is null) ? listener
                : listener with { Chains = [.. listener.Chains.Select(chain => chain.Source is null ? chain : Resolve(chain, listener.Name, before, problems))] });
        }

        return found.ToImmutable();
    }

    private EnvoyChain Resolve(
        EnvoyChain chain, string listener, Dictionary<EnvoyChain, (ImmutableArray<EnvoyExtension?> With, EnvoyChain Chain, PartProblems Problems)> before, Problems problems)
    {
        ImmutableArray<EnvoyExtension?> with = [.. chain.Extensions.Select(_extensions.GetValueOrDefault)];
        if (!before.TryGetValue(chain, out var read) || !read.With.AsSpan().SequenceEqual(with.AsSpan()))
        {
            var own = new Problems();
            var whole = ChainReader.Extend(chain, listener, own, _extensions.GetValueOrDefault);

            // Where the listener as a whole must not be served, none of its chains may be.
            read = (with, chain.IsOfBlockedListener ? whole with { Blocked = chain.Blocked } : whole, own.ToPart());
        }

        _read[chain] = read;
        problems.Add(read.Problems);
        return read.Chain;
    }
}
