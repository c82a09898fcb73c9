namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>Names of resources.</summary>
internal static class ResourceNames
{
    /// <summary>What a resource calls itself is what it is asked for by: elsewhere it would stand in for another one.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public static void Same(string name, string own)
    {
        if (own != name)
        {
            throw new InvalidDataException($"calls itself {own}");
        }
    }
}
