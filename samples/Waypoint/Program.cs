using Ambient.Node.Hosting;

return await WaypointProgram.RunAsync(args);
