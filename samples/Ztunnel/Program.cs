using Ambient.Node.Hosting.Ztunnel;

return await ZtunnelProgram.RunAsync(args);
