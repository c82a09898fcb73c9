using System.Text;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class StaticTableTests
{
    [Fact]
    public void Find_EveryEntry_FindsItself()
    {
        for (var index = 1; index <= StaticTable.Count; index++)
        {
            Assert.Equal(index, StaticTable.Find(StaticTable.Name(index), StaticTable.Value(index), out var nameIndex));
            Assert.True(StaticTable.Name(nameIndex).SequenceEqual(StaticTable.Name(index)));
        }
    }

    [Fact]
    public void Find_NameWithOtherValue_FindsTheNameOnly()
    {
        Assert.Equal(0, StaticTable.Find(":status"u8, "401"u8, out var nameIndex));
        Assert.Equal(8, nameIndex);
        Assert.Equal(0, StaticTable.Find("baggage"u8, ""u8, out nameIndex));
        Assert.Equal(0, nameIndex);
    }

    [Theory]
    [InlineData(StaticTable.MethodGet, ":method", "GET")]
    [InlineData(StaticTable.MethodPost, ":method", "POST")]
    [InlineData(StaticTable.PathSlash, ":path", "/")]
    [InlineData(StaticTable.SchemeHttp, ":scheme", "http")]
    [InlineData(StaticTable.Status200, ":status", "200")]
    [InlineData(StaticTable.Age, "age", "")]
    [InlineData(StaticTable.Authorization, "authorization", "")]
    [InlineData(StaticTable.ContentLength, "content-length", "")]
    [InlineData(StaticTable.Cookie, "cookie", "")]
    [InlineData(StaticTable.Date, "date", "")]
    [InlineData(StaticTable.ETag, "etag", "")]
    [InlineData(StaticTable.Expires, "expires", "")]
    [InlineData(StaticTable.LastModified, "last-modified", "")]
    [InlineData(StaticTable.Location, "location", "")]
    [InlineData(StaticTable.ProxyAuthorization, "proxy-authorization", "")]
    [InlineData(StaticTable.SetCookie, "set-cookie", "")]
    public void Index_OfWhatIsWrittenUnsought_IsThatEntry(int index, string name, string value)
    {
        Assert.Equal(name, Encoding.ASCII.GetString(StaticTable.Name(index)));
        Assert.Equal(value, Encoding.ASCII.GetString(StaticTable.Value(index)));
    }

    [Fact]
    public void Name_OutOfRange_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Encoding.ASCII.GetString(StaticTable.Name(0)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Encoding.ASCII.GetString(StaticTable.Name(62)));
    }
}
