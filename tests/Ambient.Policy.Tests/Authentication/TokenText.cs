using System.Buffers.Text;
using System.Text;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Tests.Authentication;

/// <summary>Writes tokens for tests. A signature is text; <see cref="NamedKey"/> takes its own name for one.</summary>
internal static class TokenText
{
    public const string Header = """{"alg":"RS256","kid":"k1","typ":"JWT"}""";

    public static string Of(string payload, string header = Header, string signature = "k1") => $"{Encode(header)}.{Encode(payload)}.{Encode(signature)}";

    public static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    public static WebToken Read(string payload, string header = Header, string signature = "k1")
    {
        Assert.Equal(TokenStatus.Valid, WebToken.Read(Of(payload, header, signature), out var token));
        return token!;
    }

    /// <summary>A key that has signed what is signed with its name, and counts how often it is asked.</summary>
    internal sealed class NamedKey(KeyKind kind, string name, string? keyId = null, string? algorithm = null) : VerificationKey(kind, keyId, algorithm)
    {
        public int Asked { get; private set; }

        public override bool Verify(string algorithm, byte[] input, byte[] signature)
        {
            Asked++;
            return Encoding.UTF8.GetString(signature) == name;
        }
    }
}
