using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Diagnostics.Admin;

namespace Ambient.Node.Diagnostics.Explain;

/// <summary><c>GET /explain?src=…&amp;dst=…</c>: what would happen to a connection, and why.</summary>
/// <param name="mesh">The live mesh.</param>
/// <param name="network">Our network.</param>
/// <param name="rules">What names mean.</param>
internal sealed class ExplainEndpoint(IMeshSnapshotProvider mesh, string network, NameRules rules)
{
    /// <summary>Answers.</summary>
    public AdminResponse Answer(AdminRequest request)
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

        var explanation = Explanation.Of(snapshot, question);
        return request.Parameter("format") == "json" || request.Accept.Contains("application/json", StringComparison.OrdinalIgnoreCase)
            ? new AdminResponse(200, "application/json", ExplanationJson.Write(explanation))
            : AdminResponse.Text(200, ExplanationText.Write(explanation));
    }
}
