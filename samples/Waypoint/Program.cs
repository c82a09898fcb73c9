using Ambient.Node.Hosting.Waypoint;

return await WaypointProgram.RunAsync(args);
