using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// Which namespaces of an assembly use which others of it, read from what was compiled: signatures, fields, attributes and the code itself.
/// Folders are namespaces here, so this is which folder needs which. (Constants leave no trace.)
/// </summary>
internal sealed class NamespaceGraph
{
    private static readonly Dictionary<int, OpCode> s_codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => (int)(ushort)code.Value);

    private readonly SortedDictionary<string, SortedDictionary<string, string>> _uses = new(StringComparer.Ordinal);

    private readonly HashSet<(string From, string Type, string To, string Used)> _types = [];

    private readonly HashSet<(string Type, string Used)> _outside = [];

    private NamespaceGraph()
    {
    }

    /// <summary>The namespaces.</summary>
    public IReadOnlyCollection<string> Namespaces => _uses.Keys;

    /// <summary>Reads an assembly's file.</summary>
    public static NamespaceGraph Of(Assembly assembly)
    {
        using var file = new PEReader(File.OpenRead(assembly.Location));
        var reader = file.GetMetadataReader();
        var graph = new NamespaceGraph();
        foreach (var handle in reader.TypeDefinitions)
        {
            var from = NamespaceOf(reader, handle);
            if (from.Length == 0)
            {
                // The compiler's own.
                continue;
            }

            var collector = new Collector(reader, file);
            collector.Read(handle);
            foreach (var used in collector.Used)
            {
                var to = NamespaceOf(reader, used);
                graph._types.Add((from, NameOf(reader, handle), to, NameOf(reader, used)));
                graph.Uses(from).TryAdd(to, $"{NameOf(reader, handle)} uses {NameOf(reader, used)}");
                graph.Uses(to);
            }

            graph._outside.UnionWith(collector.Outside.Select(used => ($"{from}.{NameOf(reader, handle)}", used)));
        }

        return graph;
    }

    /// <summary>
    /// Every circle of folders, in words: the way from one back to itself, and by which types. A folder and its own subfolders count like any two.
    /// </summary>
    public IEnumerable<string> Cycles()
    {
        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var start in _uses.Keys)
        {
            if (!told.Contains(start) && WayBack(start) is { } way)
            {
                told.UnionWith(way);
                yield return string.Join("\n  ", way.Select((from, i) => $"{from} -> {way[(i + 1) % way.Count]}: {_uses[from][way[(i + 1) % way.Count]]}"));
            }
        }
    }

    private List<string>? WayBack(string start)
    {
        var cameFrom = new Dictionary<string, string>(StringComparer.Ordinal);
        var queue = new Queue<string>([start]);
        while (queue.TryDequeue(out var from))
        {
            foreach (var to in _uses[from].Keys)
            {
                if (to == from)
                {
                    continue;
                }

                if (to == start)
                {
                    List<string> way = [from];
                    while (way[0] != start)
                    {
                        way.Insert(0, cameFrom[way[0]]);
                    }

                    return way;
                }

                if (cameFrom.TryAdd(to, from))
                {
                    queue.Enqueue(to);
                }
            }
        }

        return null;
    }

    /// <summary>The types that mention a type, from whichever namespace.</summary>
    public IEnumerable<string> UsersOf(Type type) =>
        _types.Where(use => use.To == type.Namespace && use.Used == type.Name && use.Type != type.Name).Select(use => $"{use.From}.{use.Type}").Order(StringComparer.Ordinal);

    /// <summary>
    /// Everything that a type leads to: the types that it mentions, those that these mention, and so on; each with the way there. What leads to a type
    /// by its interface alone does not lead to those that implement it.
    /// </summary>
    public IReadOnlyDictionary<string, string> ReachedFrom(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        var uses = _types.ToLookup(static use => $"{use.From}.{use.Type}", static use => $"{use.To}.{use.Used}");
        var start = $"{type.Namespace}.{type.Name}";
        var reached = new Dictionary<string, string>(StringComparer.Ordinal) { [start] = start };
        var queue = new Queue<string>([start]);
        while (queue.TryDequeue(out var from))
        {
            foreach (var to in uses[from])
            {
                if (reached.TryAdd(to, $"{reached[from]} -> {to}"))
                {
                    queue.Enqueue(to);
                }
            }
        }

        return reached;
    }

    /// <summary>What types use of other assemblies: the type, and the full name of what it mentions.</summary>
    public IEnumerable<(string Type, string Used)> Outside => _outside;

    /// <summary>Every use of one namespace by another: who, whom, and by which types.</summary>
    public IEnumerable<(string From, string To, string Example)> Uses() =>
        _uses.SelectMany(from => from.Value.Where(to => to.Key != from.Key).Select(to => (from.Key, to.Key, to.Value)));

    private SortedDictionary<string, string> Uses(string from)
    {
        if (!_uses.TryGetValue(from, out var uses))
        {
            _uses[from] = uses = new(StringComparer.Ordinal);
        }

        return uses;
    }

    private static TypeDefinition Outermost(MetadataReader reader, TypeDefinitionHandle handle)
    {
        var type = reader.GetTypeDefinition(handle);
        while (!type.GetDeclaringType().IsNil)
        {
            type = reader.GetTypeDefinition(type.GetDeclaringType());
        }

        return type;
    }

    // Generated types whose names nobody can write are the compiler's own, whichever namespace they are put in.
    private static string NamespaceOf(MetadataReader reader, TypeDefinitionHandle handle) =>
        NameOf(reader, handle).StartsWith('<') ? "" : reader.GetString(Outermost(reader, handle).Namespace);

    private static string NameOf(MetadataReader reader, TypeDefinitionHandle handle) => reader.GetString(Outermost(reader, handle).Name);

    /// <summary>The types of the same assembly that a type mentions.</summary>
    private sealed class Collector(MetadataReader reader, PEReader file) : ISignatureTypeProvider<object?, object?>
    {
        public HashSet<TypeDefinitionHandle> Used { get; } = [];

        public HashSet<string> Outside { get; } = [];

        public void Read(TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            Use(type.BaseType);
            foreach (var implemented in type.GetInterfaceImplementations())
            {
                Use(reader.GetInterfaceImplementation(implemented).Interface);
            }

            foreach (var parameter in type.GetGenericParameters())
            {
                Constraints(parameter);
            }

            Attributes(type.GetCustomAttributes());
            foreach (var field in type.GetFields())
            {
                Use(field);
                Attributes(reader.GetFieldDefinition(field).GetCustomAttributes());
            }

            foreach (var method in type.GetMethods())
            {
                Use(method);
                var definition = reader.GetMethodDefinition(method);
                Attributes(definition.GetCustomAttributes());
                foreach (var parameter in definition.GetGenericParameters())
                {
                    Constraints(parameter);
                }

                if (definition.RelativeVirtualAddress != 0)
                {
                    Body(file.GetMethodBody(definition.RelativeVirtualAddress));
                }
            }
        }

        private void Constraints(GenericParameterHandle parameter)
        {
            foreach (var constraint in reader.GetGenericParameter(parameter).GetConstraints())
            {
                Use(reader.GetGenericParameterConstraint(constraint).Type);
            }
        }

        private void Attributes(CustomAttributeHandleCollection attributes)
        {
            foreach (var attribute in attributes)
            {
                Use(reader.GetCustomAttribute(attribute).Constructor);
            }
        }

        private void Body(MethodBodyBlock body)
        {
            if (!body.LocalSignature.IsNil)
            {
                reader.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(this, null);
            }

            foreach (var region in body.ExceptionRegions)
            {
                Use(region.CatchType);
            }

            var il = body.GetILReader();
            while (il.RemainingBytes > 0)
            {
                int first = il.ReadByte();
                var code = s_codes[first == 0xFE ? 0xFE00 | il.ReadByte() : first];
                switch (code.OperandType)
                {
                    case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                        Use(System.Reflection.Metadata.Ecma335.MetadataTokens.EntityHandle(il.ReadInt32()));
                        break;
                    case OperandType.InlineSwitch:
                        var targets = il.ReadInt32();
                        il.Offset += 4 * targets;
                        break;
                    case OperandType.InlineNone:
                        break;
                    case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                        il.Offset += 1;
                        break;
                    case OperandType.InlineVar:
                        il.Offset += 2;
                        break;
                    case OperandType.InlineI8 or OperandType.InlineR:
                        il.Offset += 8;
                        break;
                    default:
                        il.Offset += 4;
                        break;
                }
            }
        }

        private void Use(EntityHandle handle)
        {
            if (handle.IsNil)
            {
                return;
            }

            switch (handle.Kind)
            {
                case HandleKind.TypeDefinition:
                    // Not what the compiler made for itself.
                    if (NamespaceOf(reader, (TypeDefinitionHandle)handle).Length > 0)
                    {
                        Used.Add((TypeDefinitionHandle)handle);
                    }

                    break;
                case HandleKind.TypeSpecification:
                    reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, null);
                    break;
                case HandleKind.FieldDefinition:
                    var field = reader.GetFieldDefinition((FieldDefinitionHandle)handle);
                    Use(field.GetDeclaringType());
                    field.DecodeSignature(this, null);
                    break;
                case HandleKind.MethodDefinition:
                    var method = reader.GetMethodDefinition((MethodDefinitionHandle)handle);
                    Use(method.GetDeclaringType());
                    method.DecodeSignature(this, null);
                    break;
                case HandleKind.MemberReference:
                    // The signature is the generic one: what is meant by it stands in the parent. What it returns or takes of other assemblies stands there too.
                    var member = reader.GetMemberReference((MemberReferenceHandle)handle);
                    Use(member.Parent);
                    if (member.GetKind() == MemberReferenceKind.Method)
                    {
                        member.DecodeMethodSignature(this, null);
                    }
                    else
                    {
                        member.DecodeFieldSignature(this, null);
                    }

                    break;
                case HandleKind.MethodSpecification:
                    var specification = reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                    Use(specification.Method);
                    specification.DecodeSignature(this, null);
                    break;
                case HandleKind.TypeReference:
                    UseOutside((TypeReferenceHandle)handle);
                    break;
            }
        }

        private void UseOutside(TypeReferenceHandle handle)
        {
            var type = reader.GetTypeReference(handle);
            while (type.ResolutionScope.Kind == HandleKind.TypeReference)
            {
                type = reader.GetTypeReference((TypeReferenceHandle)type.ResolutionScope);
            }

            Outside.Add($"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}");
        }

        public object? GetTypeFromDefinition(MetadataReader from, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            Use(handle);
            return null;
        }

        public object? GetTypeFromSpecification(MetadataReader from, object? context, TypeSpecificationHandle handle, byte rawTypeKind)
        {
            Use(handle);
            return null;
        }

        public object? GetArrayType(object? elementType, ArrayShape shape) => null;

        public object? GetByReferenceType(object? elementType) => null;

        public object? GetFunctionPointerType(MethodSignature<object?> signature) => null;

        public object? GetGenericInstantiation(object? genericType, ImmutableArray<object?> typeArguments) => null;

        public object? GetGenericMethodParameter(object? context, int index) => null;

        public object? GetGenericTypeParameter(object? context, int index) => null;

        public object? GetModifiedType(object? modifier, object? unmodifiedType, bool isRequired) => null;

        public object? GetPinnedType(object? elementType) => null;

        public object? GetPointerType(object? elementType) => null;

        public object? GetPrimitiveType(PrimitiveTypeCode typeCode) => null;

        public object? GetSZArrayType(object? elementType) => null;

        public object? GetTypeFromReference(MetadataReader from, TypeReferenceHandle handle, byte rawTypeKind)
        {
            UseOutside(handle);
            return null;
        }
    }
}
