using System.Globalization;
using System.Net.Sockets;

namespace Ambient.Node.Sockets;

/// <summary>Socket errors in the operating system's words and number, as logs of the mesh show them: <c>Connection refused (os error 111)</c>.</summary>
internal static class ErrorText
{
    /// <summary>Words and number of a socket error; other exceptions by their message.</summary>
    public static string Of(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException { NativeErrorCode: > 0 } socket)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(socket.NativeErrorCode)} (os error {socket.NativeErrorCode})");
            }
        }

        return exception.Message;
    }
}
