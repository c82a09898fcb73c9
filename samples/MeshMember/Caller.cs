namespace Ambient.Samples.MeshMember;

/// <summary>Calls a service of the mesh by its name, once.</summary>
internal static class Caller
{
    public static async Task<int> RunAsync(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder();
        Role.Apply(builder, args[0]);
        builder.AddAmbientMesh();

        await using var app = builder.Build();
        await app.StartAsync();

        // An ordinary client: its connections go through the mesh because the application is a member of it.
        using var client = app.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        var url = args.Length > 1 ? args[1] : "http://callee:8080/hello";
        try
        {
            Console.Write(await client.GetStringAsync(url));
            return 0;
        }
        catch (HttpRequestException e)
        {
            Console.Error.WriteLine($"{url}: {e.Message}");
            return 1;
        }
        finally
        {
            await app.StopAsync();
        }
    }
}
