using System.Net;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Security;
using Ambient.Policy.Authorization;
using Google.Protobuf;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>Responses applied to the mesh, without a network.</summary>
public sealed class XdsStateTests
{
    private const string ServiceKey = "ns/s.ns.svc.cluster.local";
    private readonly MeshStore _store = new();
    private readonly XdsState _state;

    public XdsStateTests() => _state = new XdsState(_store);

    [Fact]
    [Trait("Reference", "batch_groups_endpoints_per_service")]
    public void FiftyWorkloadsAndTheirService_InOneResponse_AreOneChange()
    {
        var changes = 0;
        using var watching = _store.OnChange(_ => changes++);

        Apply([XdsKit.Service("s"), .. Enumerable.Range(1, 50).Select(i => Endpoint($"w{i}", $"10.0.0.{i}"))]);

        Assert.Equal(1, changes);
        Assert.Equal(50, Endpoints().Length);
    }

    [Fact]
    [Trait("Reference", "batch_service_before_workloads")]
    [Trait("Reference", "staged_services_cleanup")]
    public void Order_OfServiceAndWorkloads_DoesNotMatter()
    {
        Apply([.. Enumerable.Range(1, 10).Select(i => Endpoint($"w{i}", $"10.0.0.{i}")), XdsKit.Service("s")]);
        Assert.Equal(10, Endpoints().Length);

        // A workload that goes before its service comes is no endpoint of it.
        var other = new XdsState(new MeshStore());
        Apply([Endpoint("late", "10.0.1.1")]);
        Remove(XdsTypes.Address, XdsKit.Uid("late"));
        Assert.DoesNotContain(Endpoints(), endpoint => endpoint.Workload.Name == "late");
        Assert.Empty(other.Versions(XdsTypes.Address));
    }

    /// <summary>The wire does not say how endpoints of a wildcard are found; a workload of the wildcard's own name does.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Wildcard_StandsForNames_WhereItsEndpointIsOne_AndElseForItsEndpoints(bool serviceFirst)
    {
        const string Key = "ns/*.wild.example.com";
        var service = XdsKit.Service("wild", wire => wire.Hostname = "*.wild.example.com");
        service.Name = Key;
        var named = XdsKit.Workload("named", more: workload =>
        {
            workload.Addresses.Clear();
            workload.Hostname = "*.wild.example.com";
            workload.Services[Key] = new Wire.PortList();
        });
        var known = XdsKit.Workload("known", "10.0.0.9", workload => workload.Services[Key] = new Wire.PortList());

        Apply([service, known]);
        Assert.False(_store.Current.Services[Key].IsOfManyNames);

        Apply(serviceFirst ? [service] : [named]);
        Apply(serviceFirst ? [named] : [service]);
        Assert.True(_store.Current.Services[Key].IsOfManyNames);

        Remove(XdsTypes.Address, XdsKit.Uid("named"));
        Assert.False(_store.Current.Services[Key].IsOfManyNames);
        Apply([named]);
        Assert.True(_store.Current.Services[Key].IsOfManyNames);
        Remove(XdsTypes.Address, Key);
        Assert.DoesNotContain(Key, _store.Current.Services.Keys);
    }

    [Fact]
    [Trait("Reference", "batch_filters_unhealthy")]
    [Trait("Reference", "unhealthy_workloads")]
    public void UnhealthyEndpoints_TakeTrafficOnlyWhereTheServiceSaysSo()
    {
        Apply([XdsKit.Service("s"), Endpoint("a", "10.0.0.1"), Endpoint("b", "10.0.0.2"), Endpoint("c", "10.0.0.3", w => w.Status = Wire.WorkloadStatus.Unhealthy)]);
        Assert.Equal(2, Endpoints().Length);

        Apply([XdsKit.Service("s", s => s.LoadBalancing = new Wire.LoadBalancing { HealthPolicy = Wire.LoadBalancing.Types.HealthPolicy.AllowAll })]);
        Assert.Equal(3, Endpoints().Length);
    }

    [Fact]
    [Trait("Reference", "batch_partial_failure")]
    public void OneResourceWithoutAType_IsRefused_AndTheRestApplied()
    {
        var answer = Apply([XdsKit.Service("s"), Endpoint("a", "10.0.0.1"), XdsKit.Of("empty", XdsTypes.Address, new Wire.Address())]);

        Assert.Equal("empty: type: neither a workload nor a service", answer.ErrorDetail.Message);
        Assert.Single(Endpoints());
        Assert.DoesNotContain("empty", _state.Versions(XdsTypes.Address).Keys);
    }

    [Fact]
    [Trait("Reference", "remove_drops_endpoint")]
    public void RemovedWorkload_IsNoEndpointAnyMore()
    {
        Apply([XdsKit.Service("s"), Endpoint("a", "10.0.0.1"), Endpoint("b", "10.0.0.2")]);

        Remove(XdsTypes.Address, XdsKit.Uid("a"));

        Assert.Equal("b", Assert.Single(Endpoints()).Workload.Name);
    }

    [Fact]
    public void RefusedUpdate_LeavesWhatWasHeld_AndItsVersionStaysQuoted()
    {
        Apply([XdsKit.Workload("a")]);

        var answer = Apply([XdsKit.Workload("a", more: w => w.Addresses.Add(ByteString.CopyFrom(1)))]);

        Assert.NotNull(answer.ErrorDetail);
        Assert.Single(_store.Current.Workloads[XdsKit.Uid("a")].Addresses);
        Assert.Equal("1", Assert.Single(_state.Versions(XdsTypes.Address)).Value);
    }

    [Theory]
    [Trait("Reference", "byte_to_ipaddr_garbage")]
    [Trait("Reference", "byte_to_ipaddr_empty")]
    [Trait("Reference", "byte_to_ipaddr_v4_happy")]
    [Trait("Reference", "byte_to_ipaddr_v6_happy")]
    [InlineData(0, false)]
    [InlineData(3, false)]
    [InlineData(5, false)]
    [InlineData(17, false)]
    [InlineData(4, true)]
    [InlineData(16, true)]
    public void Addresses_AreFourOrSixteenBytes(int bytes, bool taken)
    {
        var answer = Apply([XdsKit.Workload("a", more: w =>
        {
            w.Addresses.Clear();
            w.Addresses.Add(ByteString.CopyFrom(new byte[bytes]));
        })]);

        Assert.Equal(taken, answer.ErrorDetail is null);
    }

    [Theory]
    [Trait("Reference", "byte_to_ipaddr_unspecified")]
    [Trait("Reference", "byte_to_ipaddr_v4_loopback")]
    [Trait("Reference", "byte_to_ipaddr_v6_loopback")]
    [InlineData("0.0.0.0")]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("2001:db8::7")]
    public void Addresses_AreReadAsTheyAre(string address)
    {
        Apply([XdsKit.Workload("a", more: w =>
        {
            w.Addresses.Clear();
            w.Addresses.Add(ByteString.CopyFrom(IPAddress.Parse(address).GetAddressBytes()));
        })]);

        Assert.Equal([IPAddress.Parse(address)], Assert.Single(_store.Current.Workloads.Values).Addresses.AsEnumerable());
    }

    [Fact]
    public void WhatTheVersionDoesNotKnow_IsRefusedWithTheFieldsName()
    {
        Assert.Contains("network_mode", Refusal(w => w.NetworkMode = (Wire.NetworkMode)9), StringComparison.Ordinal);
        Assert.Contains("tunnel_protocol", Refusal(w => w.TunnelProtocol = (Wire.TunnelProtocol)9), StringComparison.Ordinal);
        Assert.Contains("status", Refusal(w => w.Status = (Wire.WorkloadStatus)9), StringComparison.Ordinal);
        Assert.Contains("application_tunnel.protocol", Refusal(w => w.ApplicationTunnel = new Wire.ApplicationTunnel { Protocol = (Wire.ApplicationTunnel.Types.Protocol)9 }), StringComparison.Ordinal);
        Assert.Contains("waypoint: the destination is missing", Refusal(w => w.Waypoint = new Wire.GatewayAddress()), StringComparison.Ordinal);

        // An unknown kind of controller is only a label.
        Assert.Null(Apply([XdsKit.Workload("a", more: w => w.WorkloadType = (Wire.WorkloadType)9)]).ErrorDetail);
        Assert.Equal(WorkloadType.Deployment, _store.Current.Workloads[XdsKit.Uid("a")].WorkloadType);
    }

    [Fact]
    public void AbsentTexts_HaveTheReferencesDefaults()
    {
        Apply([XdsKit.Workload("a")]);

        var workload = _store.Current.Workloads[XdsKit.Uid("a")];
        Assert.Equal(("cluster.local", "default", "Kubernetes", 1u), (workload.TrustDomain, workload.ServiceAccount, workload.ClusterId, workload.Capacity));
    }

    [Fact]
    [Trait("Reference", "rbac_change_scope")]
    public void PolicyThatComesToSelect_LeavesItsNamespace()
    {
        Apply([XdsKit.Policy("p", p => p.Scope = Scope.Namespace)], XdsTypes.Authorization);
        Assert.Single(_store.Current.PoliciesOfNamespace("ns"));

        Apply([XdsKit.Policy("p", p => p.Scope = Scope.WorkloadSelector)], XdsTypes.Authorization);
        Assert.Empty(_store.Current.PoliciesOfNamespace("ns"));
    }

    /// <summary>In an ALLOW nothing gets in by a value that cannot be read; in a DENY nothing gets past one.</summary>
    [Theory]
    [InlineData(false, "source")]
    [InlineData(false, "not-source")]
    [InlineData(false, "principal")]
    [InlineData(false, "not-principal")]
    [InlineData(false, "port")]
    [InlineData(false, "not-port")]
    [InlineData(true, "source")]
    [InlineData(true, "not-source")]
    [InlineData(true, "principal")]
    [InlineData(true, "not-principal")]
    [InlineData(true, "port")]
    [InlineData(true, "not-port")]
    public void UnreadableValue_Denies(bool denies, string field)
    {
        var match = new Match();
        _ = field switch
        {
            "source" => Add(match.SourceIps, new Address { Address_ = ByteString.CopyFrom(1, 2, 3), Length = 8 }),
            "not-source" => Add(match.NotSourceIps, new Address { Address_ = ByteString.CopyFrom(10, 0, 0, 0), Length = 64 }),
            "principal" => Add(match.Principals, new Protos.Security.StringMatch()),
            "not-principal" => Add(match.NotPrincipals, new Protos.Security.StringMatch()),
            "port" => Add(match.DestinationPorts, 70000u),
            _ => Add(match.NotDestinationPorts, 70000u),
        };
        Apply([XdsKit.Workload("a")]);
        Apply([XdsKit.Policy("p", p =>
        {
            p.Action = denies ? Protos.Security.Action.Deny : Protos.Security.Action.Allow;
            p.Scope = Scope.Global;
            p.Rules.Add(new Rule { Clauses = { new Clause { Matches = { match } } } });
        })], XdsTypes.Authorization);
        var mesh = _store.Current;

        var decision = ConnectionAuthorizer.Authorize(mesh, mesh.Workloads[XdsKit.Uid("a")], new ConnectionFacts(
            IPEndPoint.Parse("10.0.0.9:4000"), IPEndPoint.Parse("10.0.0.2:80"), Identity.SpiffeId.Parse("spiffe://cluster.local/ns/ns/sa/x")));

        Assert.False(decision.IsAllowed);
    }

    [Fact]
    [Trait("Reference", "test_json_to_value")]
    public void JsonMetadata_KeepsItsTypes()
    {
        using var json = JsonDocument.Parse("""{"a":[1,true,null,"x"],"b":{"c":2.5}}""");

        var value = XdsNode.ToValue(json.RootElement);

        var list = value.StructValue.Fields["a"].ListValue.Values;
        Assert.Equal((1, true, "x"), (list[0].NumberValue, list[1].BoolValue, list[3].StringValue));
        Assert.Equal(Google.Protobuf.WellKnownTypes.Value.KindOneofCase.NullValue, list[2].KindCase);
        Assert.Equal(2.5, value.StructValue.Fields["b"].StructValue.Fields["c"].NumberValue);
    }

    private static bool Add<T>(Google.Protobuf.Collections.RepeatedField<T> field, T value)
    {
        field.Add(value);
        return true;
    }

    private static Protos.Discovery.Resource Endpoint(string name, string address, System.Action<Wire.Workload>? more = null) => XdsKit.Workload(name, address, w =>
    {
        w.Services[ServiceKey] = new Wire.PortList { Ports = { new Wire.Port { ServicePort = 80, TargetPort = 8080 } } };
        more?.Invoke(w);
    });

    private MeshEndpoint[] Endpoints() => [.. _store.Current.EndpointsOf(_store.Current.Services[ServiceKey])];

    private string Refusal(System.Action<Wire.Workload> more) => Apply([XdsKit.Workload("bad", more: more)]).ErrorDetail.Message;

    private Protos.Discovery.DeltaDiscoveryRequest Apply(Protos.Discovery.Resource[] resources, string type = XdsTypes.Address) =>
        _state.Apply(XdsKit.Parse(XdsKit.Response(type, resources).ToByteArray()));

    private void Remove(string type, string name)
    {
        var response = XdsKit.Response(type);
        response.RemovedResources.Add(name);
        _state.Apply(XdsKit.Parse(response.ToByteArray()));
    }
}
