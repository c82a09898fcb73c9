namespace Ambient.Samples.Bookinfo;

/// <summary>The page itself: details and reviews gathered, one HTML page out.</summary>
internal static class ProductPage
{
    private static readonly Product s_book = new(
        0, "The Comedy of Errors", "Two sets of twins, parted at birth, meet in one town without knowing it: Shakespeare's shortest play is <i>mistaken identity</i> from the first scene to the last.");

    public static void Map(WebApplication app, Pod pod, MeshClient mesh)
    {
        app.MapGet("/", () => Html(ProductPageHtml.Index(pod)));
        app.MapGet("/index.html", () => Html(ProductPageHtml.Index(pod)));
        app.MapGet("/productpage", async Task<IResult> (HttpContext context) =>
        {
            // Side by side: the page waits for the slower of the two.
            var details = mesh.GetAsync(
                $"http://details:9080/details/{s_book.Id}", BookinfoJson.Default.BookDetails, context.Request, context.RequestAborted);
            var reviews = mesh.GetAsync(
                $"http://reviews:9080/reviews/{s_book.Id}", BookinfoJson.Default.BookReviews, context.Request, context.RequestAborted);
            return Html(ProductPageHtml.Page(pod, s_book, await details, await reviews));
        });
        app.MapGet("/static/bookinfo.css", IResult () => Results.Text(ProductPageHtml.Style, "text/css"));
        app.MapGet("/login", IResult () => Results.Redirect("/productpage"));
        app.MapGet("/logout", IResult () => Results.Redirect("/productpage"));
        app.MapGet("/api/v1/products", IResult () => Results.Json<IReadOnlyList<Product>>([s_book], BookinfoJson.Default.IReadOnlyListProduct));
        app.MapGet("/api/v1/products/{id:int}", async Task<IResult> (int id, HttpContext context) => await Relay(
            mesh.GetAsync($"http://details:9080/details/{id}", BookinfoJson.Default.BookDetails, context.Request, context.RequestAborted)));
        app.MapGet("/api/v1/products/{id:int}/reviews", async Task<IResult> (int id, HttpContext context) => await Relay(
            mesh.GetAsync($"http://reviews:9080/reviews/{id}", BookinfoJson.Default.BookReviews, context.Request, context.RequestAborted)));
    }

    private static IResult Html(string page) => Results.Text(page, "text/html; charset=utf-8");

    private static async Task<IResult> Relay<T>(Task<(T? Value, string? Problem)> call)
        where T : class
    {
        var (value, problem) = await call;
        return value is null
            ? Results.Text(problem, statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Json(value, BookinfoJson.Default.GetTypeInfo(typeof(T))!);
    }
}
