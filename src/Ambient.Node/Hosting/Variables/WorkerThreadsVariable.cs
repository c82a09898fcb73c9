using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Variables;

/// <summary>The variables that say how many threads move bytes.</summary>
internal static class WorkerThreadsVariable
{
    /// <summary>Reads the variables. <paramref name="cores"/> are those that the process sees.</summary>
    public static int Read(VariableReader variables, int cores)
    {
        var asked = variables.OptionalText("ZTUNNEL_WORKER_THREADS", "threads that move bytes: a number, a share of the processors (50%), or 0 for one each; not set: by the variables below");
        var whole = variables.OptionalInteger("ZTUNNEL_CPU_LIMIT", 1, WorkerThreads.Most, "", "processors that a share refers to; not set: all of them");
        var limit = variables.OptionalInteger("ZTUNNEL_RESOURCE_CPU_LIMIT", 0, WorkerThreads.Most, "", "the pod's CPU limit");
        var request = variables.OptionalInteger("ZTUNNEL_RESOURCE_CPU_REQUEST", 0, WorkerThreads.Most, "", "the pod's CPU request");
        if (asked is not null && !WorkerThreads.TryParse(asked, whole ?? cores, out _))
        {
            variables.Fail($"ZTUNNEL_WORKER_THREADS: \"{asked}\" is neither a number from 0 to {WorkerThreads.Most} nor a share such as 50%");
            asked = null;
        }

        return WorkerThreads.Choose(asked, whole ?? cores, limit ?? 0, request ?? 0);
    }
}
