/* noop.c - the least program there is: what starting one costs besides is the starter's. */
int main(void)
{
	return 0;
}
