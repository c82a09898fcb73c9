using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads how the rules of HTTPRoutes and GRPCRoutes keep a client with one endpoint (GEP-1619 of the Gateway API).</summary>
internal static class SessionPersistenceReader
{
    // The Gateway API leaves the name to the implementation where none is written.
    private const string DefaultCookie = "ambient-session";
    private const string DefaultHeader = "x-ambient-session";

    public static SessionPersistence? Read(FieldReader rule)
    {
        if (rule.Object("sessionPersistence") is not { } session)
        {
            return null;
        }

        // Before version 1.5 of the Gateway API the name stood beside the type, and what is said of the cookie in cookieConfig.
        var named = session.String("sessionName");
        if (session.OneOf("type", "Cookie", "Header") == "Header")
        {
            return new SessionPersistence(false, Or(session.ObjectOrEmpty("header").String("name"), Or(named, DefaultHeader)).ToLowerInvariant());
        }

        var cookie = session.Object("cookie") ?? session.ObjectOrEmpty("cookieConfig");
        var name = Or(cookie.String("name"), Or(named, DefaultCookie));
        DestinationRuleReader.CheckCookieText(cookie, "name", name);
        var path = Or(cookie.String("path"), "/");
        DestinationRuleReader.CheckCookieText(cookie, "path", path);
        var lifetime = Durations.Read(session, "absoluteTimeout");
        var isPermanent = cookie.OneOf("lifetimeType", "Permanent", "Session") == "Permanent";
        if (isPermanent && lifetime is null && !session.HasErrors)
        {
            session.Error("absoluteTimeout", "missing; a cookie of the lifetimeType Permanent needs a time");
        }

        return new SessionPersistence(true, name) { Path = path, Lifetime = isPermanent ? lifetime : null };
    }

    private static string Or(string? text, string otherwise) => string.IsNullOrEmpty(text) ? otherwise : text;
}
