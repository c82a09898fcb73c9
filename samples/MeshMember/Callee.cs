using Ambient.Node.Member;

namespace Ambient.Samples.MeshMember;

/// <summary>Answers who it was called by.</summary>
internal static class Callee
{
    public static async Task RunAsync(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder();
        Role.Apply(builder, args[0]);
        builder.AddAmbientMesh();

        var app = builder.Build();
        app.MapGet("/hello", (HttpContext http) =>
            $"hello {http.User.FindFirst(MeshClaims.ServiceAccount)?.Value}, you are {http.User.Identity?.Name}\n");
        await app.RunAsync();
    }
}
