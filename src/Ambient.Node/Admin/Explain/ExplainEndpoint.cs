using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Discovery.Sources;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Admin.Explain;

/// <summary><c>GET /explain?src=…&amp;dst=…</c>: what would happen to a connection, and why.</summary>
/// <param name="mesh">The live mesh.</param>
/// <param name="demand">Who is asked for what the mesh does not know, as a connection would; null where it knows everything.</param>
/// <param name="network">Our network.</param>
/// <param name="rules">What names mean.</param>
internal sealed class ExplainEndpoint(IMeshSnapshotProvider mesh, IMeshDemand? demand, string network, NameRules rules)
{
    /// <summary>Answers.</summary>
    public async ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Method != "GET")
        {
            return AdminResponse.MethodNotAllowed;
        }

        var snapshot = mesh.Current;
        if (ExplainQuestion.Read(snapshot, request.Parameter("src"), request.Parameter("dst"), network, rules, out var error, out var status) is not { } question)
        {
            return AdminResponse.Text(status, $"{error}\n\n{ExplainQuestion.Usage}");
        }

        if (demand is not null)
        {
            var decided = await demand.DecideAsync(
                mesh,
                now => DestinationResolver.Resolve(now, question.Source, question.Destination, Random.Shared, network),
                static route => route.Unknown,
                cancellationToken).ConfigureAwait(false);
            if (decided is null)
            {
                return AdminResponse.Text(503, MeshDemand.Unanswered(question.Destination) + "\n");
            }

            snapshot = mesh.Current;
        }

        var explanation = Explanation.Of(snapshot, question, network);
        return request.Parameter("format") == "json" || request.Accept.Contains("application/json", StringComparison.OrdinalIgnoreCase)
            ? new AdminResponse(200, "application/json", ExplanationJson.Write(explanation))
            : AdminResponse.Text(200, ExplanationText.Write(explanation));
    }
}
