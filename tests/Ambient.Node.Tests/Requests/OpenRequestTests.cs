using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Node.Tests.Diagnostics;

namespace Ambient.Node.Tests.Requests;

public sealed class OpenRequestTests
{
    private readonly DiagnosticsKit _kit = new();

    [Fact]
    public async Task Change_AtTheMomentOfTheDecision_IsSeenByOneOfTheTwo()
    {
        var ground = new Refusing();
        var request = new OpenRequest(new ConnectionTable(new ConnectionLog(_kit.Loggers), null, null, _kit.Time), ground);
        var meshes = new MeshStore();
        for (var i = 0; i < 5_000; i++)
        {
            var wasCut = 0;
            request.Begin(() => Interlocked.Increment(ref wasCut));
            using var together = new Barrier(2);
            var change = Task.Run(() =>
            {
                together.SignalAndWait();
                if (request.Objects(meshes.Current))
                {
                    request.Cut();
                }
            });
            together.SignalAndWait();
            var isAdmitted = request.Admit(meshes);
            await change;

            // Refused, or let in and then ended: never both, and never neither.
            Assert.Equal(isAdmitted ? 1 : 0, wasCut);
            Assert.Equal(ConnectionEnd.PolicyChange, request.EndedBy);
            Assert.False(ground.WasAskedTwiceAtATime);
            request.Close();
        }
    }

    private sealed class Refusing : IConnectionGround
    {
        private int _asking;

        public bool WasAskedTwiceAtATime { get; private set; }

        public ConnectionObjection? ObjectionIn(MeshSnapshot mesh)
        {
            WasAskedTwiceAtATime |= Interlocked.Exchange(ref _asking, 1) != 0;
            Volatile.Write(ref _asking, 0);
            return new ConnectionObjection(ConnectionEnd.PolicyChange);
        }
    }
}
