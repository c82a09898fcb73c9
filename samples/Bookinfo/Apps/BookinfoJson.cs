using System.Text.Json.Serialization;

namespace Ambient.Samples.Bookinfo;

/// <summary>A book, as details tells it.</summary>
internal sealed record BookDetails(
    int Id, string Author, int Year, string Type, int Pages, string Publisher, string Language,
    [property: JsonPropertyName("ISBN-10")] string Isbn10,
    [property: JsonPropertyName("ISBN-13")] string Isbn13);

/// <summary>What reviews answers: who served it, and the reviews.</summary>
internal sealed record BookReviews(string Id, string Podname, string Clustername, IReadOnlyList<Review> Reviews);

/// <summary>One review; no rating in v1.</summary>
internal sealed record Review(string Reviewer, string Text, StarRating? Rating);

/// <summary>Stars, with the colour that tells v2 (black) from v3 (red); or why there are none.</summary>
internal sealed record StarRating(int? Stars, string? Color, string? Error);

/// <summary>What ratings answers: stars by reviewer.</summary>
internal sealed record BookRatings(int Id, IReadOnlyDictionary<string, int> Ratings);

/// <summary>A book of the catalogue.</summary>
internal sealed record Product(int Id, string Title, string DescriptionHtml);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BookDetails))]
[JsonSerializable(typeof(BookReviews))]
[JsonSerializable(typeof(BookRatings))]
[JsonSerializable(typeof(Product))]
[JsonSerializable(typeof(IReadOnlyList<Product>))]
internal sealed partial class BookinfoJson : JsonSerializerContext;
