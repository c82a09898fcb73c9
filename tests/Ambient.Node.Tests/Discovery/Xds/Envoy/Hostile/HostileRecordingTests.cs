using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.Fuzzing;
using Google.Protobuf;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;

/// <summary>
/// Every recording cut at every byte, with every kind of field of a wrong type, and changed at random: nothing fails, and nothing gives more access than the last
/// good state. What "never more" means is said by <see cref="Reach"/>, a fixed set of questions, and holds by what becomes of the changed bytes:
/// <list type="bullet">
/// <item>What is no message, or a resource that is refused, changes nothing: the mesh is the same instance.</item>
/// <item>A field of a wrong type is one that is not known, and says nothing any more. Nothing is let in that the whole would not let in, whether it was named or not.</item>
/// <item>A resource that ends early, in a response that does, leaves the rest in use: again nothing is let in that the whole would not let in.</item>
/// <item>A random change may be another configuration, which allows something else: then it is what was asked for. Where a change of one byte is reported as not
/// understood, nothing may be let in that was not before; and what is reported as blocked answers nothing.</item>
/// <item>The good bytes again bring back exactly what was there.</item>
/// </list>
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class HostileRecordingTests
{
    // Fields that lead to the same place in the schema are read by the same code: of each so many are changed.
    private const int OfEachField = 1;

    private const int Mutations = 10_000;

    // What is no longer than this is cut at every byte, and with ./build.sh fuzz all is. Of more, whose cuts end in the same few readers, so many bytes at the
    // beginning and at the end, and every so many between them: seven million cuts, each of them an exception, would be minutes.
    private const int Short = 512;
    private const int Stride = 127;

    private static readonly ParallelOptions s_parallel = new() { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) };

    [SkippableFact]
    public void ResponseCutAtEveryByte_IsNoMessage_OrTheResourcesBeforeTheCut()
    {
        Parallel.ForEach(Recording.All(), s_parallel, static recording =>
        {
            var (session, store) = recording.Start();
            var before = store.Current;
            foreach (var whole in recording.Responses)
            {
                foreach (var length in Cuts(whole.Length))
                {
                    XdsResponse response;
                    try
                    {
                        response = XdsKit.Parse(whole[..length], session);
                    }
                    catch (Exception e) when (Faults.IsOfBytes(e))
                    {
                        continue;
                    }

                    session.Apply(response);
                    Assert.Same(before, store.Current);
                }
            }
        });
    }

    [SkippableFact]
    public void ResponseThatEndsEarly_AtTheStart_LetsInNoMoreThanTheWhole()
    {
        Parallel.ForEach(Recording.All(), s_parallel, static recording =>
        {
            var whole = Reach.Of(recording, recording.Start().Store.Current);
            for (var part = 0; part < recording.Responses.Count; part++)
            {
                var (session, store) = recording.Start(without: part);
                NoMore(recording, $"without response {part}", whole, store);
                var response = DeltaDiscoveryResponse.Parser.ParseFrom(recording.Responses[part]);
                foreach (var resource in response.Resources.SkipLast(1))
                {
                    var mesh = store.Current;
                    session.Tell(response.TypeUrl, resource);
                    if (!ReferenceEquals(mesh, store.Current))
                    {
                        NoMore(recording, $"without what follows {resource.Name}", whole, store);
                    }
                }
            }
        });
    }

    [SkippableFact]
    public void ResourceCutAtEveryByte_LetsInNoMoreThanTheWhole()
    {
        var seen = new ConcurrentDictionary<string, bool>();
        Parallel.ForEach(Recording.All(), s_parallel, recording =>
        {
            var (session, store) = recording.Start();
            var before = Reach.Of(recording, store.Current);
            foreach (var (type, resource) in recording.Resources())
            {
                var whole = resource.Resource_.Value;

                // Of clusters, endpoints, workloads and secrets, which many recordings have alike, one of each name.
                var what = !FuzzBudget.IsLong && type is not (EnvoyTypes.Listener or EnvoyTypes.Routes) ? resource.Name : Convert.ToHexString(SHA256.HashData(whole.Span));
                if (!seen.TryAdd($"{recording.Node.IsGateway} {type} {what}", true))
                {
                    continue;
                }

                foreach (var length in Cuts(whole.Length))
                {
                    var mesh = store.Current;
                    if (!recording.Tell(session, type, resource, ByteString.CopyFrom(whole.Span[..length])).IsAccepted)
                    {
                        Assert.Same(mesh, store.Current);
                        continue;
                    }

                    // A gateway's listener or routes that end between two chains or hosts are whole ones with fewer of them: what these would have is another one's then.
                    if (!recording.Node.IsGateway || type is not (EnvoyTypes.Listener or EnvoyTypes.Routes))
                    {
                        NoMore(recording, $"{resource.Name} cut after {length} bytes", before, store);
                    }

                    recording.Tell(session, type, resource, whole);
                    Same(recording, $"{resource.Name}, whole again after a cut at {length}", before, mesh, store);
                }
            }
        });
    }

    [SkippableFact]
    public void FieldOfAWrongType_LetsInNoMoreThanTheWhole()
    {
        var taken = new ConcurrentDictionary<string, int>();
        var failures = new ConcurrentBag<string>();
        Parallel.ForEach(Recording.All(), s_parallel, recording =>
        {
            var (session, store) = recording.Start();
            var before = Reach.Of(recording, store.Current);
            foreach (var (type, resource) in recording.Resources())
            {
                var whole = resource.Resource_.Value;
                foreach (var (path, make) in WrongTypes.Of(whole.ToByteArray()))
                {
                    if (taken.AddOrUpdate($"{recording.Node.IsGateway} {EnvoyTypes.Short(type)} {path}", 1, static (_, count) => count + 1) > OfEachField)
                    {
                        continue;
                    }

                    var mesh = store.Current;
                    var answer = recording.Tell(session, type, resource, ByteString.CopyFrom(make()));
                    if (!ReferenceEquals(mesh, store.Current) && (!answer.IsAccepted || Added(recording, before, store).Any(entry => type != EnvoyTypes.Workload || !IsOtherIdentity(entry, before))))
                    {
                        failures.Add($"{recording} {EnvoyTypes.Short(type)} {path} of {resource.Name} ({(answer.IsAccepted ? answer.Answer.ErrorDetail?.Message ?? "taken whole" : "refused")}): {Added(recording, before, store).FirstOrDefault() ?? "another mesh"}");
                    }

                    recording.Tell(session, type, resource, whole);
                    Same(recording, $"{resource.Name}, whole again after a wrong {path}", before, mesh, store);
                }
            }
        });

        Assert.True(failures.IsEmpty, $"{failures.Count} of {taken.Values.Sum(count => Math.Min(count, OfEachField))}\n{string.Join('\n', failures.Order(StringComparer.Ordinal))}");
        Assert.True(taken.Count > 500, $"{taken.Count} kinds of fields");
    }

    [SkippableFact]
    public void RandomChanges_AreReadOrRefused_AndWhatIsReportedOpensNothing()
    {
        // A session for each recording, told the good bytes again after each change.
        var states = new ConcurrentBag<State>();
        Parallel.ForEach(Recording.All(), s_parallel, recording =>
        {
            var (session, store) = recording.Start();
            states.Add(new State(recording, session, store, Reach.Of(recording, store.Current), [.. session.Problems], [.. recording.Resources()]));
        });

        // Each round begins and ends with the good bytes, so it is the same whatever runs before or beside it.
        State[] all = [.. states.OrderBy(static state => state.Recording.Folder, StringComparer.Ordinal)];
        Parallel.ForEach(
            Partitioner.Create(FuzzBudget.Seeds(Mutations, Environment.GetEnvironmentVariable), EnumerablePartitionerOptions.NoBuffering),
            s_parallel,
            seed =>
            {
                var random = new Random(seed);
                var state = all[random.Next(all.Length)];
                lock (state)
                {
                    try
                    {
                        Change(state, random);
                    }
                    catch (Exception e)
                    {
                        throw new FuzzException(seed, e);
                    }
                }
            });
    }

    private static void Change(State state, Random random)
    {
        var (recording, session, store, before, said, resources) = state;
        var (type, resource) = resources[random.Next(resources.Length)];
        var (whole, mesh) = (resource.Resource_.Value, store.Current);
        var isSmall = random.Next(2) == 0;
        byte[] changed = isSmall ? OneByte(whole.ToByteArray(), random) : Damage.Of(whole.Span, random);
        var answer = recording.Tell(session, type, resource, ByteString.CopyFrom(changed));
        if (!answer.IsAccepted)
        {
            Assert.Same(mesh, store.Current);
            return;
        }

        var reach = Reach.Of(recording, store.Current);
        if (isSmall && session.Problems.Except(said).FirstOrDefault() is { } problem)
        {
            Assert.True(reach.IsSubsetOf(before), $"{recording} {resource.Name}: {problem}\nand yet {reach.Except(before).FirstOrDefault()}");
        }

        foreach (var (place, blocked) in store.Current.Requests.Places)
        {
            foreach (var port in blocked.Blocked.Keys)
            {
                Assert.DoesNotContain(reach, entry => entry.StartsWith($"{place}:{port} ", StringComparison.Ordinal));
            }
        }

        recording.Tell(session, type, resource, whole);
        Same(recording, $"{resource.Name}, whole again", before, mesh, store);
    }

    /// <summary>Whether only whom a tunnel must lead to is another: who has the address is not that one, so that it leads to nobody.</summary>
    private static bool IsOtherIdentity(string entry, HashSet<string> before) =>
        entry.IndexOf("tunnel to ", StringComparison.Ordinal) is var at and > 0 && before.Any(own => own.StartsWith(entry[..at], StringComparison.Ordinal));

    private static byte[] OneByte(byte[] bytes, Random random)
    {
        bytes[random.Next(bytes.Length)] ^= (byte)random.Next(1, 256);
        return bytes;
    }

    private static IEnumerable<int> Cuts(int length)
    {
        var isWhole = length <= Short || FuzzBudget.IsLong;
        for (var cut = 0; cut < length; cut += isWhole || cut < Short / 2 || cut >= length - (Short / 2) ? 1 : Stride)
        {
            yield return cut;
        }
    }

    private static void NoMore(Recording recording, string what, HashSet<string> before, MeshStore store)
    {
        var added = Added(recording, before, store);
        Assert.True(added.Count == 0, $"{recording} {what}: {added.FirstOrDefault()}");
    }

    private static void Same(Recording recording, string what, HashSet<string> before, MeshSnapshot mesh, MeshStore store)
    {
        if (!ReferenceEquals(mesh, store.Current) && Reach.Of(recording, store.Current) is var now && !now.SetEquals(before))
        {
            Assert.Fail($"{recording} {what}: more {now.Except(before).FirstOrDefault()}, less {before.Except(now).FirstOrDefault()}");
        }
    }

    private static List<string> Added(Recording recording, HashSet<string> before, MeshStore store) =>
        [.. Reach.Of(recording, store.Current).Where(entry => !before.Contains(entry)).Order(StringComparer.Ordinal)];

    private sealed record State(
        Recording Recording, EnvoySession Session, MeshStore Store, HashSet<string> Before, HashSet<string> Said, (string Type, Resource Resource)[] Resources);
}
