namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>Makes requests as a pod would: names left to the mesh, a fresh connection every time.</summary>
internal abstract class PodClient(string name) : IDisposable
{
    /// <summary>Name of the client's workload.</summary>
    public string Name { get; } = name;

    /// <summary>The same request as a command for people.</summary>
    public abstract string Command(HttpMethod method, string url);

    /// <summary>Sends one request, with a token where there is one; a failure is an answer too.</summary>
    public abstract Task<Answer> SendAsync(HttpMethod method, string url, CancellationToken cancellation, string? token = null);

    public abstract void Dispose();

    protected static string MethodOf(HttpMethod method) => method == HttpMethod.Get ? "" : $"-X {method} ";
}
