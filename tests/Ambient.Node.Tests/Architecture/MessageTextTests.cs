using System.Reflection;
using Ambient.Node.Hosting.Ztunnel;
using Google.Protobuf;

namespace Ambient.Node.Tests.Architecture;

/// <summary>Native hosts have no text of protobuf's messages (samples/Native/messages.xml), so nothing may put one into a text.</summary>
public sealed class MessageTextTests
{
    private const int FirstMethodSpecification = 0x2B000001;

    /// <summary>What puts any value into a text, by its type.</summary>
    private static readonly string[] s_formatters = ["AppendFormatted", "Join", "AppendJoin", "Concat", "Format"];

    [Fact]
    public void NoTextHasAMessageInIt()
    {
        var (looked, wrong) = (0, new List<string>());
        foreach (var method in GenericMethods(typeof(ZtunnelProgram).Assembly.ManifestModule))
        {
            looked++;
            if (s_formatters.Contains(method.Name) && method.GetGenericArguments().Any(IsOfMessages))
            {
                wrong.Add($"{method.DeclaringType}.{method.Name}<{string.Join(", ", method.GetGenericArguments().Select(static type => type.Name))}>");
            }
        }

        Assert.True(looked > 1000, $"only {looked} calls were found");
        Assert.Empty(wrong);
    }

    /// <summary>Methods of one type argument or more, as code of a module names them; those that depend on arguments of their callers are left out.</summary>
    private static IEnumerable<MethodInfo> GenericMethods(Module module)
    {
        for (var token = FirstMethodSpecification; ; token++)
        {
            MethodBase? method;
            try
            {
                method = module.ResolveMethod(token);
            }
            catch (ArgumentOutOfRangeException)
            {
                yield break;
            }
            catch (Exception e) when (e is ArgumentException or BadImageFormatException)
            {
                continue;
            }

            if (method is MethodInfo { ContainsGenericParameters: false } found)
            {
                yield return found;
            }
        }
    }

    private static bool IsOfMessages(Type type) =>
        typeof(IMessage).IsAssignableFrom(type) || type.Namespace == "Google.Protobuf.Collections" || type.GetGenericArguments().Any(IsOfMessages);
}
