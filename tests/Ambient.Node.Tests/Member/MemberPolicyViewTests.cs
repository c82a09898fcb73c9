using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Member;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Member;

/// <summary>What a member's policies are compiled from.</summary>
public sealed class MemberPolicyViewTests
{
    [Fact]
    public async Task Authorizer_ComesAndGoesWithItsService_ThoughPoliciesStayTheSame()
    {
        await using var mesh = new TestMesh();
        mesh.AddWorkload("shop-0", "shop");
        mesh.Configure(requests => requests with
        {
            ExternalAuthorizers = requests.ExternalAuthorizers.SetItem("authz", new ExternalAuthorizer
            {
                Name = "authz", Protocol = ExternalAuthorizerProtocol.Grpc, Hostname = "authz.app.svc.cluster.local", Port = 92, FailOpen = true,
            }),
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem(
                "app/ask", new RequestAuthorizationPolicy { Name = "ask", Namespace = "app", Action = PolicyAction.Custom, Provider = "authz", Rules = [new RequestRule()] }),
        });
        var view = new MemberPolicyView(mesh.Store, LocalWorkload.ByPod(mesh.Store, "app", "shop-0", TimeProvider.System));
        var requests = mesh.Store.Current.Requests;
        Assert.True(view.AsksAuthorizer);
        Assert.Null(view.Current!.Authorizer);

        var service = mesh.AddService("authz", waypoint: null);
        Assert.Same(requests, mesh.Store.Current.Requests);
        Assert.Equal("authz", view.Current!.Authorizer?.Name);

        mesh.Publish(builder => builder.RemoveService(service.Key));
        Assert.Same(requests, mesh.Store.Current.Requests);
        Assert.Null(view.Current!.Authorizer);
        Assert.True(view.AsksAuthorizer);
    }
}
