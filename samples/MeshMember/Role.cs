namespace Ambient.Samples.MeshMember;

/// <summary>One program, three pods: the role decides as which of them it runs.</summary>
internal static class Role
{
    public static void Apply(WebApplicationBuilder builder, string role)
    {
        builder.Configuration["Ambient:Pod"] ??= $"{role}-0";
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Ambient", LogLevel.Information);
    }
}
