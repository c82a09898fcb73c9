namespace Ambient.Hbone.Connect;

/// <summary>Status codes as people read them in logs.</summary>
internal static class StatusPhrase
{
    public static string Of(int status) => status switch
    {
        400 => "400 Bad Request",
        401 => "401 Unauthorized",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        408 => "408 Request Timeout",
        429 => "429 Too Many Requests",
        431 => "431 Request Header Fields Too Large",
        500 => "500 Internal Server Error",
        502 => "502 Bad Gateway",
        503 => "503 Service Unavailable",
        504 => "504 Gateway Timeout",
        _ => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };
}
