using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Ambient.Node.Tests.Member;

public sealed class MemberGuardTests
{
    [Fact]
    public async Task Guard_WithAFilterThatWasRegisteredBefore_StillComesFirst()
    {
        var folder = Directory.CreateTempSubdirectory("ambient-guard-");
        try
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration["Ambient:Pod"] = "shop-0";
            builder.Configuration["Ambient:Namespace"] = "app";
            builder.Configuration["Ambient:Manifests"] = folder.FullName;
            builder.Configuration["Ambient:AuthorityFolder"] = Path.Combine(folder.FullName, "ca");
            builder.Services.AddSingleton<IStartupFilter, AnswersEverything>();
            builder.AddAmbientMesh();
            await using var app = builder.Build();
            Action<IApplicationBuilder> configure = _ => { };
            foreach (var filter in app.Services.GetServices<IStartupFilter>().Reverse())
            {
                configure = filter.Configure(configure);
            }

            var pipeline = new ApplicationBuilder(app.Services);
            configure(pipeline);
            var http = new DefaultHttpContext { RequestServices = app.Services };
            await pipeline.Build()(http);

            // Nothing is known of the pod, so nobody may come in, whatever would answer them.
            Assert.Equal(StatusCodes.Status503ServiceUnavailable, http.Response.StatusCode);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private sealed class AnswersEverything : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app => app.Run(http =>
        {
            http.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        });
    }
}
