namespace Ambient.Samples.Bookinfo;

/// <summary>GET /details/ID: what the book is.</summary>
internal static class Details
{
    public static void Map(WebApplication app) => app.MapGet("/details/{id:int}", IResult (int id) => Results.Json(
        new BookDetails(id, "William Shakespeare", 1595, "paperback", 200, "Folio Press", "English", "0000000000", "978-0000000000"),
        BookinfoJson.Default.BookDetails));
}
