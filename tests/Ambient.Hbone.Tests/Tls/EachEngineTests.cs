namespace Ambient.Hbone.Tests.Tls;

public sealed class ManagedHandshakeTests() : HandshakeTests(Engines.Managed, Engines.Managed);

public sealed class NativeHandshakeTests() : HandshakeTests(Engines.Native, Engines.Native);

public sealed class NativeClientManagedServerHandshakeTests() : HandshakeTests(Engines.Native, Engines.Managed);

public sealed class ManagedClientNativeServerHandshakeTests() : HandshakeTests(Engines.Managed, Engines.Native);

public sealed class ManagedHandshakeBudgetTests() : HandshakeBudgetTests(Engines.Managed, Engines.Managed);

public sealed class NativeHandshakeBudgetTests() : HandshakeBudgetTests(Engines.Native, Engines.Native);

public sealed class ManagedRevokedPeerTests() : RevokedPeerTests(Engines.Managed, Engines.Managed);

public sealed class NativeRevokedPeerTests() : RevokedPeerTests(Engines.Native, Engines.Native);

public sealed class NativeClientManagedServerRevokedPeerTests() : RevokedPeerTests(Engines.Native, Engines.Managed);

public sealed class ManagedClientNativeServerRevokedPeerTests() : RevokedPeerTests(Engines.Managed, Engines.Native);
