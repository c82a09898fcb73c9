namespace Ambient.Node.Tests.Discovery;

/// <summary>Objects that are right in themselves, and that nothing can come of.</summary>
public sealed class IneffectiveTests
{
    [Theory]
    [InlineData("Service a: {selector: {app: a}, ports: [{port: 80, targetPort: http}]}", "Service default/a has no endpoint for port 80: targetPort \"http\" is the name of no port of its pods, such as a")]
    [InlineData("Service a: {selector: {app: a}, ports: [{port: 80, targetPort: main}]}", null)]
    [InlineData("Service a: {selector: {app: nobody}, ports: [{port: 80, targetPort: http}]}", null)]
    [InlineData("EndpointSlice a: {endpoints: [{addresses: [127.70.0.51]}]}", "EndpointSlice default/a is not used: its label kubernetes.io/service-name names no service")]
    [InlineData("EndpointSlice a of b: {endpoints: [{addresses: [127.70.0.51]}]}", "EndpointSlice default/a is not used: there is no Service default/b")]
    [InlineData("EndpointSlice a of b: {endpoints: []}", null)]
    [InlineData("Endpoints b: {subsets: [{addresses: [{ip: 127.70.0.51}], ports: [{port: 80}]}]}", "Endpoints default/b is not used: there is no Service default/b")]
    [InlineData("Endpoints b: {subsets: []}", null)]
    [InlineData("Pod b: {status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False'}]}}", "Pod default/b is not part of the mesh: its status comes from a cluster and has no address")]
    [InlineData("Pod b: {status: {phase: Succeeded}}", null)]
    public void Object_ThatLeadsNowhere_IsSaid(string written, string? expected)
    {
        var (head, body) = (written[..written.IndexOf(':', StringComparison.Ordinal)].Split(' '), written[(written.IndexOf('{', StringComparison.Ordinal) + 1)..^1]);
        var version = head[0] == "EndpointSlice" ? "discovery.k8s.io/v1" : "v1";
        var labels = head.Length > 2 ? $", labels: {{kubernetes.io/service-name: {head[3]}}}" : "";
        var content = head[0] == "Service" ? $"spec: {{{body}}}" : body;
        var mesh = ManifestText.Translate(
            $"apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{app: a}}}}\nspec: {{containers: [{{name: c, ports: [{{name: main, containerPort: 8080}}]}}]}}\n---\n"
            + $"{{apiVersion: {version}, kind: {head[0]}, metadata: {{name: {head[1]}{labels}}}, {content}}}\n");
        if (expected is null)
        {
            Assert.Empty(mesh.Notices);
        }
        else
        {
            Assert.StartsWith(expected, Assert.Single(mesh.Notices).Text, StringComparison.Ordinal);
        }
    }
}
