using System.Globalization;
using System.Net;
using System.Reflection;
using Ambient.Node.Hosting.Options;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Tests.Hosting;

/// <summary>The configuration sections of a node that an application hosts say everything that its options can.</summary>
public sealed class NodeSectionTests
{
    /// <summary>What the application says once for every kind of node, or its own loggers say.</summary>
    private static readonly string[] s_ofTheApplication =
    [
        "Host", "Manifests", "LocalXdsPath", "AuthorityFolder", "ClusterId", "Network", "ClusterDomain", "TrustDomain", "TrustDomainAliases", "NodeName",
        "RevocationFile", "LogFormat", "LogFilter",
    ];

    [Fact]
    public void EverySetting_OfAZtunnel_IsBound() => AssertEverySettingBound("Ztunnel", builder => builder.AsZtunnel(), (ZtunnelOptions options) => options.Host);

    [Fact]
    public void EverySetting_OfAWaypoint_IsBound() => AssertEverySettingBound("Waypoint", builder => builder.AsWaypoint(), (WaypointOptions options) => options.Host);

    [Fact]
    public async Task Everything_ThatIsWrong_IsToldAtTheStart()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration["Ambient:Ztunnel:Mode"] = "Shred";
        builder.Configuration["Ambient:Ztunnel:FrameSize"] = "much";
        builder.Configuration["Ambient:Ztunnel:PoolMaxStreams"] = "0";
        builder.Configuration["Ambient:Ztunnel:KeepAliveTime"] = "00:00:00";
        builder.Configuration["Ambient:Ztunnel:AdminAddress"] = "10.0.0.1";
        builder.Configuration["Ambient:Ztunnel:WorkerThread"] = "2";
        builder.Configuration["Ambient:Ztunnel:Self:Name"] = "ztunnel-0";
        builder.AddAmbientMesh().FromManifests(".").AsZtunnel();
        using var host = builder.Build();

        var failures = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures.ToArray();

        foreach (var expected in new[]
        {
            "Ambient:Ztunnel:Mode: \"Shred\" is not Loopback or Dedicated or Shared", "Ambient:Ztunnel:FrameSize: \"much\" is not a whole number",
            "PoolMaxStreams: 0 is not between 1 and 100,000", "KeepAliveTime: 00:00:00 is not between 00:00:01", "AdminAddress: 10.0.0.1 is not a loopback address",
            "Ambient:Ztunnel:WorkerThread: there is no setting of this name", "Ambient:Ztunnel:Self: expected Namespace, Name and ServiceAccount", "no certificate authority",
        })
        {
            Assert.Contains(failures, failure => failure.StartsWith(expected, StringComparison.Ordinal));
        }

        Assert.Equal(8, failures.Length);
    }

    private static void AssertEverySettingBound<TOptions>(string section, Action<Ambient.Node.Membership.IAmbientMeshBuilder> become, Func<TOptions, NodeOptions> hostOf)
        where TOptions : class
    {
        var usual = Read(_ => { });
        var expected = new Dictionary<string, object?>();
        var changed = Read(builder =>
        {
            foreach (var (name, options) in Settings(usual).Concat(Settings(hostOf(usual))))
            {
                var (text, value) = Other(options.Property.PropertyType, options.Property.GetValue(options.Of));
                foreach (var (key, part) in text)
                {
                    builder.Configuration[$"Ambient:{section}:{name}{key}"] = part;
                }

                expected.Add(name, value);
            }
        });
        foreach (var (name, options) in Settings(changed).Concat(Settings(hostOf(changed))))
        {
            Assert.True(Equals(expected[name], options.Property.GetValue(options.Of)), $"{section}:{name} is {options.Property.GetValue(options.Of)}, not {expected[name]}");
        }

        Assert.Empty(hostOf(changed).SectionFaults);

        TOptions Read(Action<IHostApplicationBuilder> configure)
        {
            var builder = Host.CreateEmptyApplicationBuilder(null);
            configure(builder);
            become(builder.AddAmbientMesh().FromManifests("."));
            var services = builder.Services.BuildServiceProvider();

            // Not the options' value, which is validated first.
            var options = Activator.CreateInstance<TOptions>();
            foreach (var setup in services.GetServices<IConfigureOptions<TOptions>>())
            {
                setup.Configure(options);
            }

            return options;
        }
    }

    private static IEnumerable<(string Name, (object Of, PropertyInfo Property) Options)> Settings(object options) => options.GetType().GetProperties()
        .Where(property => property.CanWrite && property.SetMethod!.IsPublic && !s_ofTheApplication.Contains(property.Name))
        .Select(property => (property.Name, (options, property)));

    /// <summary>Another value than the usual one, and how it is written.</summary>
    private static (Dictionary<string, string> Text, object Value) Other(Type type, object? usual)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        object value = type switch
        {
            _ when type == typeof(string) => $"{usual}x",
            _ when type == typeof(bool) => !((bool?)usual ?? false),
            _ when type == typeof(int) => ((int?)usual ?? 0) + 1,
            _ when type == typeof(TimeSpan) => (TimeSpan)usual! + TimeSpan.FromSeconds(1),
            _ when type == typeof(IPAddress) => IPAddress.Parse("127.0.0.9"),
            _ when type == typeof(IPEndPoint) => IPEndPoint.Parse("127.0.0.9:53"),
            _ when type == typeof(IPNetwork) => IPNetwork.Parse("127.96.0.0/16"),
            _ when type == typeof(ProxyWorkload) => new ProxyWorkload("ns", "pod", "account"),
            _ when type.IsEnum => Enum.GetValues(type).GetValue(2)!,
            _ => throw new NotSupportedException(type.Name),
        };
        return value is ProxyWorkload
            ? (new() { [":Namespace"] = "ns", [":Name"] = "pod", [":ServiceAccount"] = "account" }, value)
            : (new() { [""] = Convert.ToString(value, CultureInfo.InvariantCulture)! }, value);
    }
}
