// Two applications that are members of the mesh in their own process, in one program: a callee that says who calls it, and a
// caller. A policy lets one caller in and keeps another out. README.md has the commands.
using Ambient.Samples.MeshMember;

switch (args)
{
    case ["callee", ..]:
        await Callee.RunAsync(args);
        return 0;
    case ["caller" or "stranger", ..]:
        return await Caller.RunAsync(args);
    default:
        Console.Error.WriteLine("usage: mesh-member callee | caller [URL] | stranger [URL]");
        return 2;
}
