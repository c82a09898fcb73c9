using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// Equality of collections by content. Immutable collections compare by reference, so records that hold them would
/// otherwise never be equal to a fresh reading of the same object, and nothing would be shared between snapshots.
/// </summary>
internal static class StructuralEquality
{
    internal static bool Same<T>(ImmutableArray<T> left, ImmutableArray<T> right) =>
        left == right || left.AsSpan().SequenceEqual(right.AsSpan(), EqualityComparer<T>.Default);

    internal static bool Same<TValue>(ImmutableDictionary<string, TValue>? left, ImmutableDictionary<string, TValue>? right) =>
        Same(left, right, EqualityComparer<TValue>.Default.Equals);

    internal static bool Same<TValue>(
        ImmutableDictionary<string, TValue>? left, ImmutableDictionary<string, TValue>? right, Func<TValue, TValue, bool> sameValue)
    {
        if (ReferenceEquals(left, right))
        {
            return true;
        }

        if (left is null || right is null || left.Count != right.Count)
        {
            return false;
        }

        foreach (var (key, value) in left)
        {
            if (!right.TryGetValue(key, out var other) || !sameValue(value, other))
            {
                return false;
            }
        }

        return true;
    }
}
