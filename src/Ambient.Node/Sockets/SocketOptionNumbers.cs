namespace Ambient.Node.Sockets;

/// <summary>Linux socket options that the base class library has no names for (ip(7), ipv6(7), tcp(7), socket(7)).</summary>
internal static class SocketOptionNumbers
{
    public const int LevelIP = 0;
    public const int LevelSocket = 1;
    public const int LevelTcp = 6;
    public const int LevelIPv6 = 41;

    public const int ReusePort = 15;
    public const int AttachReusePortFilter = 51;
    public const int SocketMark = 36;
    public const int IPFreeBind = 15;
    public const int IPTransparent = 19;
    public const int IPBindAddressNoPort = 24;
    public const int OriginalDestination = 80;
    public const int IPv6Transparent = 75;
    public const int IPv6FreeBind = 78;
    public const int TcpUserTimeout = 18;
}
