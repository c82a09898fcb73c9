using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

public sealed class MeshPartTests
{
    private readonly MeshStore _store = new();

    [Fact]
    public void Update_OneSourceKnowsItsWhole_AnothersObjectsStay()
    {
        var (file, xds) = (_store.AddPart("file"), _store.AddPart("xDS"));
        file.Update(mesh => mesh.Set(Pod("a")));
        xds.Update(mesh => mesh.ReplaceAll([Pod("b"), Pod("c")], [], []));

        xds.Update(mesh => mesh.ReplaceAll([Pod("c")], [], []));
        xds.Update(mesh => mesh.RemoveWorkload("a"));
        file.Update(mesh => mesh.ReplaceAll([Pod("d")], [], []));

        Assert.Equal(["c", "d"], Uids());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Conflict_OverAKey_TheEarlierPartsIsInTheMesh(bool laterUpdatesFirst)
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        Action[] updates = [() => first.Update(mesh => mesh.Set(Pod("x", "first"))), () => second.Update(mesh => mesh.Set(Pod("x", "second")))];
        foreach (var update in laterUpdatesFirst ? updates.Reverse() : updates)
        {
            update();
        }

        Assert.Equal("first", _store.Current.Workloads["x"].Name);
        second.Update(mesh => mesh.Set(Pod("x", "second again")));
        Assert.Equal("first", _store.Current.Workloads["x"].Name);
        first.Update(mesh => mesh.RemoveWorkload("x"));
        Assert.Equal("second again", _store.Current.Workloads["x"].Name);
        second.Update(mesh => mesh.RemoveWorkload("x"));
        Assert.Empty(_store.Current.Workloads);
        Assert.Null(_store.Current.FindWorkload("", IPAddress.Parse("10.0.0.1")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Conflict_OverAnAddress_TheEarlierPartsIsFound(bool laterUpdatesFirst)
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        var vip = new NetworkAddress("", IPAddress.Parse("10.1.0.1"));
        Action[] updates =
        [
            () => first.Update(mesh => mesh.Set(Pod("z")).Set(Service("z", vip))),
            () => second.Update(mesh => mesh.Set(Pod("a")).Set(Service("a", vip))),
        ];
        foreach (var update in laterUpdatesFirst ? updates.Reverse() : updates)
        {
            update();
        }

        Assert.Equal("z", _store.Current.FindWorkload("", IPAddress.Parse("10.0.0.1"))!.Uid);
        Assert.Equal("z", _store.Current.FindService("", vip.Address, null)!.Name);
        first.Remove();
        Assert.Equal("a", _store.Current.FindWorkload("", IPAddress.Parse("10.0.0.1"))!.Uid);
        Assert.Equal("a", _store.Current.FindService("", vip.Address, null)!.Name);
    }

    [Fact]
    public void AddPart_BesideOneThatIsFilled_LeavesItItsObjects()
    {
        var first = _store.AddPart("first");
        first.Update(mesh => mesh.Set(Pod("a")).Set(Pod("b")));
        var second = _store.AddPart("second");

        second.Update(mesh => mesh.ReplaceAll([Pod("c")], [], []));
        first.Update(mesh => mesh.RemoveWorkload("a"));

        Assert.Equal(["b", "c"], Uids());
    }

    [Fact]
    public void Remove_TakesItsObjectsAndNoOthers_AndEndsThePart()
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        first.Update(mesh => mesh.Set(Pod("a")));
        second.Update(mesh => mesh.Set(Pod("b")));

        first.Remove();
        first.Remove();

        Assert.Equal(["b"], Uids());
        Assert.Contains("first", Assert.Throws<InvalidOperationException>(() => first.Update(mesh => mesh.Set(Pod("a")))).Message, StringComparison.Ordinal);
        second.Remove();
        Assert.Empty(_store.Current.Workloads);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Update_Throws_NothingHasHappened(int parts)
    {
        var part = _store.AddPart("part");
        for (var other = 1; other < parts; other++)
        {
            _store.AddPart("other");
        }

        part.Update(mesh => mesh.Set(Pod("a")));
        var before = _store.Current;

        Assert.Throws<FormatException>(() => part.Update(mesh =>
        {
            mesh.Set(Pod("b")).RemoveWorkload("a");
            throw new FormatException();
        }));
        Assert.Same(before, _store.Current);

        part.Update(mesh => mesh.Set(Pod("c")));
        Assert.Equal(["a", "c"], Uids());
    }

    [Fact]
    public void Update_NothingChanged_IsNotPublished()
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        first.Update(mesh => mesh.Set(Pod("a")));
        var kept = _store.Current.Workloads["a"];
        var changes = 0;
        using var watching = _store.OnChange(_ => changes++);

        first.Update(mesh => mesh.ReplaceAll([Pod("a")], [], []));
        second.Update(mesh => mesh.Set(Pod("a", "shadowed")));

        Assert.Equal(0, changes);
        Assert.Same(kept, _store.Current.Workloads["a"]);
    }

    [Fact]
    public void Update_IsOverWithItsCallback()
    {
        MeshPartUpdate? kept = null;
        _store.AddPart("part").Update(mesh => kept = mesh);

        Assert.Throws<InvalidOperationException>(() => kept!.Set(Pod("a")));
    }

    [Fact]
    public void Store_WrittenWholeAndByParts_IsRefused()
    {
        _store.AddPart("part");
        Assert.Throws<InvalidOperationException>(() => _store.Publish(MeshSnapshot.Empty));

        var whole = new MeshStore();
        whole.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(Pod("a")).Build());
        Assert.Throws<InvalidOperationException>(() => whole.AddPart("part"));
    }

    [Fact]
    public void Requests_OfSeveralParts_AreSideBySide()
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        second.Update(mesh => mesh.Set(Requests("b", "second.example").Set("both", "second")));
        Assert.Equal("second.example", _store.Current.Requests.TrustDomain);

        first.Update(mesh => mesh.Set(Requests("a", "first.example").Set("both", "first")));

        var requests = _store.Current.Requests;
        Assert.Equal("first.example", requests.TrustDomain);
        Assert.Equal(["a", "b", "both"], requests.Namespaces.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("first", requests.Namespaces["both"]["from"]);
        first.Update(mesh => mesh.Set(RequestConfiguration.Empty));
        Assert.Equal("second", _store.Current.Requests.Namespaces["both"]["from"]);
    }

    [Fact]
    public void Requests_EveryKindOfObject_IsTakenFromEveryPart()
    {
        var maps = typeof(RequestConfiguration).GetProperties().Where(property => property.PropertyType.Name.StartsWith("ImmutableDictionary", StringComparison.Ordinal)).ToArray();
        Assert.True(maps.Length > 15, $"{maps.Length} kinds");
        foreach (var map in maps)
        {
            var (first, second) = (With("a"), With("b"));
            var keys = ((System.Collections.IDictionary)map.GetValue(first.FollowedBy(second))!).Keys.Cast<string>();
            Assert.True(keys.Order(StringComparer.Ordinal).SequenceEqual(["a", "b"]), map.Name);

            RequestConfiguration With(string key)
            {
                var made = new RequestConfiguration();
                var one = map.PropertyType.GetMethod("Add")!.Invoke(map.GetValue(made), [key, null]);
                map.SetValue(made, one);
                return made;
            }
        }
    }

    [Fact]
    public void Requests_WhatAsksForTokens_IsTakenFromEveryPart()
    {
        var (first, second) = (_store.AddPart("first"), _store.AddPart("second"));
        first.Update(mesh => mesh.Set(Asking("a")));
        second.Update(mesh => mesh.Set(Asking("b")));

        Assert.Equal(["default/a", "default/b"], _store.Current.Requests.RequestAuthentications.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["uid-a", "uid-b"], _store.Current.Requests.Selections.Keys.Order(StringComparer.Ordinal));

        static RequestConfiguration Asking(string name) => new()
        {
            RequestAuthentications = ImmutableDictionary<string, RequestAuthentication>.Empty.Add($"default/{name}", new() { Name = name, Namespace = "default" }),
            Selections = ImmutableDictionary<string, RequestSelection>.Empty.Add($"uid-{name}", new([], [$"default/{name}"])),
        };
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Update_AnyInterleaving_EqualsOneSourceAfterTheOther(int seed)
    {
        var scripts = Enumerable.Range(0, 3).Select(part => Script(seed * 10 + part)).ToArray();
        var (sequential, random) = (Play(scripts, Enumerable.Range(0, 3).SelectMany(part => Enumerable.Repeat(part, scripts[part].Count))), new Random(seed));
        for (var round = 0; round < 20; round++)
        {
            var order = Enumerable.Range(0, 3).SelectMany(part => Enumerable.Repeat(part, scripts[part].Count)).ToArray();
            random.Shuffle(order);
            AssertSame(sequential, Play(scripts, order));
        }
    }

    [Fact]
    public async Task Update_ByManyAtOnce_EqualsOneSourceAfterTheOther()
    {
        var scripts = Enumerable.Range(0, 4).Select(part => Script(100 + part)).ToArray();
        var expected = Play(scripts, Enumerable.Range(0, 4).SelectMany(part => Enumerable.Repeat(part, scripts[part].Count)));
        var parts = scripts.Select((_, i) => _store.AddPart($"part {i}")).ToArray();
        var (last, ordered) = (0L, true);
        using var watching = _store.OnChange(mesh => (last, ordered) = (mesh.Version, ordered && mesh.Version > last));

        await Task.WhenAll(scripts.Select((script, i) => Task.Run(() => script.ForEach(change => parts[i].Update(change)))));

        Assert.True(ordered);
        AssertSame(expected, _store.Current);
    }

    private static void AssertSame(MeshSnapshot expected, MeshSnapshot actual)
    {
        Assert.Equal(expected.Workloads.OrderBy(pair => pair.Key, StringComparer.Ordinal), actual.Workloads.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        Assert.Equal(expected.Services.OrderBy(pair => pair.Key, StringComparer.Ordinal), actual.Services.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        Assert.Equal(expected.Policies.OrderBy(pair => pair.Key, StringComparer.Ordinal), actual.Policies.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        foreach (var service in expected.Services.Values)
        {
            Assert.Equal(expected.EndpointsOf(service).AsEnumerable(), actual.EndpointsOf(service));
        }
    }

    private static MeshSnapshot Play(List<Action<MeshPartUpdate>>[] scripts, IEnumerable<int> order)
    {
        var store = new MeshStore();
        var parts = scripts.Select((_, i) => store.AddPart($"part {i}")).ToArray();
        var next = new int[scripts.Length];
        foreach (var part in order)
        {
            parts[part].Update(scripts[part][next[part]++]);
        }

        return store.Current;
    }

    /// <summary>Changes of one source; keys and addresses collide with those of the others.</summary>
    private static List<Action<MeshPartUpdate>> Script(int seed)
    {
        var random = new RandomMesh(seed);
        var script = new List<Action<MeshPartUpdate>>();
        for (var i = 0; i < 60; i++)
        {
            var (workload, service, policy, uid, key, name) = (random.Workload(), random.Service(), random.Policy(), random.Uid(), random.ServiceKey(), random.PolicyKey());
            script.Add(random.Random.Next(8) switch
            {
                0 => mesh => mesh.Set(workload).Set(service),
                1 => mesh => mesh.Set(service),
                2 => mesh => mesh.Set(policy),
                3 => mesh => mesh.RemoveWorkload(uid),
                4 => mesh => mesh.RemoveService(key).RemovePolicy(name),
                5 => mesh => mesh.ReplaceAll([workload], [service], [policy]),
                _ => mesh => mesh.Set(workload),
            });
        }

        return script;
    }

    private IEnumerable<string> Uids() => _store.Current.Workloads.Keys.Order(StringComparer.Ordinal);

    private static Workload Pod(string uid, string? name = null) =>
        new() { Uid = uid, Name = name ?? uid, Namespace = "default", Addresses = [IPAddress.Parse("10.0.0.1")] };

    private static MeshService Service(string name, NetworkAddress vip) =>
        new() { Name = name, Namespace = "default", Hostname = $"{name}.default.svc.cluster.local", Vips = [vip] };

    private static RequestConfiguration Requests(string ns, string trustDomain) =>
        new RequestConfiguration { TrustDomain = trustDomain }.Set(ns, trustDomain);
}

file static class RequestConfigurations
{
    internal static RequestConfiguration Set(this RequestConfiguration requests, string ns, string from) => requests with
    {
        Namespaces = requests.Namespaces.SetItem(ns, ImmutableDictionary<string, string>.Empty.Add("from", from)),
    };
}
