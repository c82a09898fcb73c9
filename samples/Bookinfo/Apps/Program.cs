// Bookinfo's services in one program: `bookinfo productpage|details|reviews|ratings`, one process per pod.
// A pod listens on its own address and calls the others by service name through the SOCKS5 door that its
// ztunnel keeps on the same address, which stands in for the redirection of a pod's network namespace. In a namespace
// of its own (MESH_PROXY=none) it just calls them.
using Ambient.Samples.Bookinfo;

var pod = Pod.FromEnvironment();
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.AddServerHeader = false;
    kestrel.Listen(pod.Address, pod.Port);
});
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, BookinfoJson.Default));

var app = builder.Build();
app.MapGet("/health", () => Results.Text($"{pod.Name} is healthy\n"));
using var mesh = new MeshClient(pod);
switch (args)
{
    case ["productpage"]: ProductPage.Map(app, pod, mesh); break;
    case ["details"]: Details.Map(app); break;
    case ["reviews"]: Reviews.Map(app, pod, mesh); break;
    case ["ratings"]: Ratings.Map(app); break;
    default:
        Console.Error.WriteLine("usage: bookinfo productpage|details|reviews|ratings   (POD_IP, POD_NAME, SERVICE_VERSION say which pod it is)");
        return 2;
}

await app.RunAsync();
return 0;
