using System.Collections;
using System.Collections.Immutable;
using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Discovery.Xds.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// Records that say themselves when they are equal. What differs in any field is not equal: a field that was forgotten there would keep a change of it from
/// ever being applied, as what is equal is not made again. What has the same in collections of its own is equal.
/// </summary>
public sealed class RecordEqualityTests
{
    // Deep enough for a list of rules of routes of hosts; what lies deeper is empty.
    private const int Deepest = 5;

    /// <summary>Fields that hold what others say once more, or something for speed.</summary>
    private static readonly HashSet<string> s_derived = ["Workload._identity", "AuthorizationPolicy._key", "MeshService._key"];

    public static IEnumerable<object[]> Records => new[] { typeof(Workload).Assembly, typeof(EnvoySession).Assembly }
        .SelectMany(static assembly => assembly.GetTypes())
        .Where(static type => type.IsClass && !type.IsAbstract && !type.ContainsGenericParameters && OwnEquality(type) is not null && type.GetMethod("<Clone>$") is not null)
        .OrderBy(static type => type.FullName, StringComparer.Ordinal)
        .Select(static type => new object[] { type.FullName! });

    [Theory]
    [MemberData(nameof(Records))]
    public void WhatDiffersInAnyField_IsNotEqual(string name)
    {
        var type = Find(name);
        var forgotten = new List<string>();
        foreach (var field in FieldsOf(type).Where(field => !s_derived.Contains($"{type.Name}.{field.Name}")))
        {
            var (one, other) = (Make(type, 0, 0)!, Make(type, 0, 0)!);
            field.SetValue(other, Make(field.FieldType, 1, 1));
            if (one.Equals(other) || other.Equals(one))
            {
                forgotten.Add(field.Name);
            }
        }

        Assert.Empty(forgotten);
    }

    // Objects as they were read are compared by reference: a change elsewhere leaves the same instance.
    public static IEnumerable<object[]> RecordsOfTheirOwn => Records.Where(static row => (string)row[0] != typeof(LabelScope).FullName);

    [Theory]
    [MemberData(nameof(RecordsOfTheirOwn))]
    public void WhatSaysTheSame_IsEqual(string name)
    {
        var type = Find(name);
        for (var variant = 0; variant < 2; variant++)
        {
            var (one, other) = (Make(type, variant, 0)!, Make(type, variant, 0)!);

            Assert.True(one.Equals(other), $"variant {variant}");
            Assert.Equal(one.GetHashCode(), other.GetHashCode());
        }
    }

    private static Type Find(string name) => typeof(Workload).Assembly.GetType(name) ?? typeof(EnvoySession).Assembly.GetType(name)!;

    private static MethodInfo? OwnEquality(Type type) =>
        type.GetMethod("Equals", BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly, [type]) is { } equals && equals.GetCustomAttribute<CompilerGeneratedAttribute>() is null ? equals : null;

    private static IEnumerable<FieldInfo> FieldsOf(Type type)
    {
        for (var of = type; of is not null && of != typeof(object); of = of.BaseType)
        {
            foreach (var field in of.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                yield return field;
            }
        }
    }

    /// <summary>A value of a type, another for each variant, and a new instance each time.</summary>
    private static object? Make(Type type, int variant, int depth)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return variant == 0 ? null : Make(inner, variant, depth);
        }

        if (type.IsEnum)
        {
            var values = Enum.GetValuesAsUnderlyingType(type);
            return Enum.ToObject(type, values.GetValue(Math.Min(variant, values.Length - 1))!);
        }

        if (type == typeof(string))
        {
            return new string('a', variant + 1);
        }

        if (type == typeof(bool))
        {
            return variant == 1;
        }

        if (type.IsPrimitive || type == typeof(decimal) || type == typeof(UInt128))
        {
            return type == typeof(UInt128) ? (UInt128)variant : Convert.ChangeType(variant, type, System.Globalization.CultureInfo.InvariantCulture);
        }

        return Known(type, variant) ?? Collection(type, variant, depth) ?? Made(type, variant, depth);
    }

    private static object? Known(Type type, int variant) => type switch
    {
        _ when type == typeof(TimeSpan) => TimeSpan.FromSeconds(variant + 1),
        _ when type == typeof(DateTimeOffset) => DateTimeOffset.UnixEpoch.AddSeconds(variant),
        _ when type == typeof(Dictionary<string, string>) || type == typeof(IReadOnlyDictionary<string, string>) => new Dictionary<string, string> { ["a"] = new('a', variant) },
        _ when type == typeof(IPAddress) => new IPAddress([10, 0, 0, (byte)variant]),
        _ when type == typeof(IPEndPoint) => new IPEndPoint(new IPAddress([10, 0, 0, (byte)variant]), 80),
        _ when type == typeof(IPNetwork) => new IPNetwork(new IPAddress([10, (byte)variant, 0, 0]), 16),
        _ when type == typeof(ByteString) => ByteString.CopyFrom((byte)variant),
        _ when type == typeof(Uri) => new Uri($"http://{(char)('a' + variant)}/"),
        _ when type == typeof(SpiffeId) => SpiffeId.Parse($"spiffe://td/ns/{(char)('a' + variant)}/sa/b"),
        _ when type == typeof(TrustDomain) => TrustDomain.Parse($"td{variant}"),
        _ => null,
    };

    private static object? Collection(Type type, int variant, int depth)
    {
        if (!type.IsGenericType)
        {
            return null;
        }

        var arguments = type.GetGenericArguments();
        var isFilled = variant == 1 && depth < Deepest;
        if (type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
        {
            return Generic(nameof(ListOf), arguments, isFilled ? Make(arguments[0], 1, depth + 1) : null);
        }

        if (type.GetGenericTypeDefinition() == typeof(ImmutableArray<>))
        {
            return Generic(nameof(ArrayOf), arguments, isFilled ? Make(arguments[0], 1, depth + 1) : null);
        }

        if (type.GetGenericTypeDefinition() == typeof(ImmutableDictionary<,>))
        {
            return Generic(nameof(DictionaryOf), arguments, isFilled ? (Make(arguments[0], 1, depth + 1), Make(arguments[1], 1, depth + 1)) : null);
        }

        return type.GetGenericTypeDefinition() == typeof(ImmutableHashSet<>) ? Generic(nameof(SetOf), arguments, isFilled ? Make(arguments[0], 1, depth + 1) : null) : null;
    }

    private static object? Generic(string method, Type[] arguments, object? item) =>
        typeof(RecordEqualityTests).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(arguments).Invoke(null, [item]);

    private static ImmutableArray<T> ArrayOf<T>(object? item) => item is null ? [] : [(T)item];

    private static T[] ListOf<T>(object? item) => item is null ? [] : [(T)item];

    private static ImmutableHashSet<T> SetOf<T>(object? item) => item is null ? [] : [(T)item];

    private static ImmutableDictionary<TKey, TValue> DictionaryOf<TKey, TValue>(object? item)
        where TKey : notnull => item is ITuple pair ? ImmutableDictionary<TKey, TValue>.Empty.Add((TKey)pair[0]!, (TValue)pair[1]!) : ImmutableDictionary<TKey, TValue>.Empty;

    private static object? Made(Type type, int variant, int depth)
    {
        if (typeof(IMessage).IsAssignableFrom(type))
        {
            return variant == 0 ? null : Activator.CreateInstance(type);
        }

        if (type.IsValueType && (type.FullName!.StartsWith("System.ValueTuple", StringComparison.Ordinal) || type.FullName.StartsWith("System.Collections.Generic.KeyValuePair", StringComparison.Ordinal) || type.Namespace!.StartsWith("Ambient", StringComparison.Ordinal)))
        {
            return Filled(type, variant, depth);
        }

        if (!type.Namespace!.StartsWith("Ambient", StringComparison.Ordinal))
        {
            throw new NotSupportedException($"{type} is not known: say how two of it differ");
        }

        var concrete = type.IsAbstract ? type.Assembly.GetTypes().Where(each => !each.IsAbstract && type.IsAssignableFrom(each)).OrderBy(each => each.FullName, StringComparer.Ordinal).First() : type;
        return Filled(concrete, variant, depth);
    }

    private static object Filled(Type type, int variant, int depth)
    {
        var made = RuntimeHelpers.GetUninitializedObject(type);
        foreach (var field in FieldsOf(type))
        {
            // What may be absent is, in the first variant; and where it would have no end.
            var isAbsent = (variant == 0 || depth >= Deepest) && !field.FieldType.IsValueType && new NullabilityInfoContext().Create(field).ReadState == NullabilityState.Nullable;
            field.SetValue(made, isAbsent ? null : Make(field.FieldType, variant, depth + 1));
        }

        return made;
    }
}
