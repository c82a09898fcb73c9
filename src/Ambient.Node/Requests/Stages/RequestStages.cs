namespace Ambient.Node.Requests.Stages;

/// <summary>Compiles the list of stages that a place needs: what its policies and routes do not ask for is not in it.</summary>
internal static class RequestStages
{
    private static readonly AuthenticateStage s_authenticate = new();
    private static readonly NoteStage s_note = new();
    private static readonly AuthorizeStage s_authorize = new();
    private static readonly RouteStage s_route = new();
    private static readonly FaultStage s_fault = new();
    private static readonly CorsStage s_cors = new();
    private static readonly RespondStage s_respond = new();
    private static readonly EditStage s_edit = new();
    private static readonly FilterStage s_filter = new();

    /// <summary>The stages of a place, in their order.</summary>
    /// <param name="place">The place.</param>
    /// <param name="filtered">Whether there are filters of an embedder's.</param>
    /// <param name="external">Asks external authorizers.</param>
    /// <param name="forward">The last stage.</param>
    public static RequestStage[] Of(RequestPlace place, bool filtered, ExternalAuthorizeStage external, ForwardStage forward)
    {
        List<RequestStage> stages = [];
        if (place.Policies.HasCustom)
        {
            stages.Add(external);
        }

        if (!place.Policies.Tokens.IsEmpty)
        {
            stages.Add(s_authenticate);
        }

        if (place.Policies.HasNotes)
        {
            stages.Add(s_note);
        }

        stages.Add(s_authorize);
        if (place.Routes is { } routes)
        {
            stages.Add(s_route);
            if (routes.HasFaults)
            {
                stages.Add(s_fault);
            }

            if (routes.HasCors)
            {
                stages.Add(s_cors);
            }

            if (routes.HasAuthorizers)
            {
                stages.Add(external.OfRoutes);
            }

            stages.Add(s_respond);
        }

        stages.Add(s_edit);
        if (filtered)
        {
            stages.Add(s_filter);
        }

        stages.Add(forward);
        return [.. stages];
    }
}
