using System.Globalization;
using System.Text;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation of a connection at a waypoint or gateway for a person, to be read from top to bottom.</summary>
internal static class StreamExplanationText
{
    /// <summary>The text.</summary>
    public static string Write(StreamExplanation explanation)
    {
        ArgumentNullException.ThrowIfNull(explanation);
        var text = new StringBuilder();
        var name = explanation.ServerName.Length == 0 ? "no server name" : $"server name {explanation.ServerName}";
        RequestExplanationText.Line(text, $"connection to {explanation.Destination} ({name}), from {explanation.Identity?.ToString() ?? explanation.Source.ToString()}, at {explanation.Gateway}");
        RequestExplanationText.Line(text, "\nlisteners");
        foreach (var listener in explanation.Listeners)
        {
            var objection = listener.Objection;
            RequestExplanationText.Line(text, $"  {(objection is null ? '+' : '-')} {listener.Name} ({listener.Protocol}{(listener.Hostname is { } host ? $", {host}" : "")}){(objection is null ? "" : $": {objection}")}");
        }

        if (explanation.Listeners.IsEmpty)
        {
            RequestExplanationText.Line(text, $"  none has port {explanation.Destination.Port}");
        }

        RequestExplanationText.Policies(text, explanation.Policies, explanation.Decision, tokens: [], denied: "DENIED, and closed");
        if (explanation.Decision.IsAllowed)
        {
            foreach (var route in explanation.Routes)
            {
                text.Append('\n');
                Route(text, route, explanation.Routes.Length > 1);
            }
        }

        return text.ToString();
    }

    private static void Route(StringBuilder text, ExplainedStream explained, bool oneOfMany)
    {
        var (route, share) = (explained.Route, oneOfMany ? string.Create(CultureInfo.InvariantCulture, $"{explained.Share * 100:0} % of connections: ") : "");
        if (route.Service is not { } service)
        {
            RequestExplanationText.Line(text, $"=> {share}CLOSED{(route.Route is { } refused ? $" ({refused})" : "")}: {route.Error}");
            return;
        }

        var how = route.Route is { } name ? $" ({name})" : " (no route applies: as addressed)";
        RequestExplanationText.Line(text, $"=> {share}{service.Key} port {explained.Port}{(route.Subset is { } subset ? $", subset {subset}" : "")}{how}");
        if (!RequestExplanationText.Endpoints(text, explained.Endpoints))
        {
            RequestExplanationText.Line(text, "   no endpoint can serve: CLOSED");
        }
    }
}
