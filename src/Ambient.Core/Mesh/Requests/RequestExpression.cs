using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>
/// What a rule asks of a request, as a control plane that has already worked it out says it: any combination of comparisons. One of
/// <see cref="AllExpression"/>, <see cref="AnyExpression"/>, <see cref="NotExpression"/>, <see cref="TextExpression"/>,
/// <see cref="ClaimExpression"/>, <see cref="AddressExpression"/>, <see cref="PortExpression"/>, <see cref="PathTemplateExpression"/> and
/// <see cref="UnknownExpression"/>.
/// </summary>
public abstract record RequestExpression
{
    private protected RequestExpression()
    {
    }

    /// <summary>Holds of everything.</summary>
    public static RequestExpression Always { get; } = new AllExpression([]);

    /// <summary>Whether it asks for what only a request has, and a connection has not.</summary>
    public abstract bool AsksForRequest { get; }

    /// <summary>Whether it asks for the server name of the connection's TLS.</summary>
    public virtual bool AsksForServerName => false;
}

/// <summary>Every part holds; without parts it always does.</summary>
/// <param name="Parts">Parts.</param>
public sealed record AllExpression(ImmutableArray<RequestExpression> Parts) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => Parts.Any(static part => part.AsksForRequest);

    /// <inheritdoc/>
    public override bool AsksForServerName => Parts.Any(static part => part.AsksForServerName);

    /// <summary>Whether the parts are the same, in the same order.</summary>
    public bool Equals(AllExpression? other) => other is not null && StructuralEquality.Same(Parts, other.Parts);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(1, Parts.Length);
}

/// <summary>One part holds; without parts it never does.</summary>
/// <param name="Parts">Parts.</param>
public sealed record AnyExpression(ImmutableArray<RequestExpression> Parts) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => Parts.Any(static part => part.AsksForRequest);

    /// <inheritdoc/>
    public override bool AsksForServerName => Parts.Any(static part => part.AsksForServerName);

    /// <summary>Whether the parts are the same, in the same order.</summary>
    public bool Equals(AnyExpression? other) => other is not null && StructuralEquality.Same(Parts, other.Parts);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(2, Parts.Length);
}

/// <summary>The part does not hold.</summary>
/// <param name="Part">Part.</param>
public sealed record NotExpression(RequestExpression Part) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => Part.AsksForRequest;

    /// <inheritdoc/>
    public override bool AsksForServerName => Part.AsksForServerName;
}

/// <summary>A text of the request or connection compares. One that is not there does not.</summary>
/// <param name="Text">Which.</param>
/// <param name="Name">Name of the header; empty for others.</param>
/// <param name="Comparison">How.</param>
public sealed record TextExpression(RequestText Text, string Name, TextComparison Comparison) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => Text is RequestText.Path or RequestText.Header;

    /// <inheritdoc/>
    public override bool AsksForServerName => Text == RequestText.ServerName;
}

/// <summary>A claim of the request's verified token compares: its text, or one of a list.</summary>
/// <param name="Path">Names from the outside in.</param>
/// <param name="Comparison">How.</param>
public sealed record ClaimExpression(ImmutableArray<string> Path, TextComparison Comparison) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => true;

    /// <summary>Whether both are equal, the path by content.</summary>
    public bool Equals(ClaimExpression? other) => other is not null && Comparison == other.Comparison && StructuralEquality.Same(Path, other.Path);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Path.Length, Comparison);
}

/// <summary>An address is within a range.</summary>
/// <param name="Address">Whose.</param>
/// <param name="Range">Range.</param>
public sealed record AddressExpression(RequestAddress Address, IPNetwork Range) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => Address == RequestAddress.Client;
}

/// <summary>The port that was connected to is this one.</summary>
/// <param name="Port">Port.</param>
public sealed record PortExpression(int Port) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => false;
}

/// <summary>The path fits a template: <c>{*}</c> for one segment, <c>{**}</c> for anything.</summary>
/// <param name="Template">Template.</param>
public sealed record PathTemplateExpression(string Template) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => true;
}

/// <summary>Something that is not understood: it lets nobody in, and keeps out whomever the rest does not exclude.</summary>
/// <param name="What">What it is, for people.</param>
public sealed record UnknownExpression(string What) : RequestExpression
{
    /// <inheritdoc/>
    public override bool AsksForRequest => false;
}

/// <summary>A text that policies compare.</summary>
public enum RequestText
{
    /// <summary>The peer's authenticated identity, a whole SPIFFE URI.</summary>
    Identity,

    /// <summary>The path, without query.</summary>
    Path,

    /// <summary>A header; <c>:method</c>, <c>:authority</c>, <c>:scheme</c> and <c>:path</c> (with query) of either version of HTTP.</summary>
    Header,

    /// <summary>Server name of the connection's TLS.</summary>
    ServerName,
}

/// <summary>An address that policies compare.</summary>
public enum RequestAddress
{
    /// <summary>The peer's.</summary>
    Source,

    /// <summary>The client's, as far as it is known behind the peer.</summary>
    Client,

    /// <summary>That which was connected to.</summary>
    Destination,
}

/// <summary>How a text is compared by policies.</summary>
public enum TextComparisonKind
{
    /// <summary>All of it.</summary>
    Exact,

    /// <summary>Its beginning.</summary>
    Prefix,

    /// <summary>Its end.</summary>
    Suffix,

    /// <summary>A part of it.</summary>
    Contains,

    /// <summary>Regular expression over the whole of it, in linear time.</summary>
    RegularExpression,

    /// <summary>That it is there.</summary>
    Present,
}

/// <summary>A comparison of a text.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what; empty for <see cref="TextComparisonKind.Present"/>.</param>
/// <param name="IgnoresCase">Whether letters are compared without case. Not for regular expressions.</param>
public readonly record struct TextComparison(TextComparisonKind Kind, string Value, bool IgnoresCase = false);
