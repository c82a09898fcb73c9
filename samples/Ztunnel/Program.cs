using Ambient.Node.Hosting;

return await ZtunnelProgram.RunAsync(args);
